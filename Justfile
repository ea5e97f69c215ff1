# The verbs a person types. Run them by `./just VERB`; without `just`, run the lines themselves.

services := "-p feed -p processor -p writer -p dashboard -p venue-sim -p stack -p bus"

# list the verbs
@default:
    "{{ just_executable() }}" --justfile "{{ justfile() }}" --list --unsorted

# everything on this machine with a simulated venue; the page: http://localhost:8080
demo *FLAGS: build
    @exec target/release/stack {{ FLAGS }} demo

# the same with the real venue; in containers where Docker answers (`--local`, `--containers` force one)
up *FLAGS:
    @deploy/containers/verb.sh up {{ FLAGS }}

# end what `demo` or `up` runs; the data is kept
down:
    @deploy/containers/verb.sh down

# what runs, and whether it is ready
status:
    @deploy/containers/verb.sh status

# end of the logs: `logs feed -f` goes on with one
logs *ARGS:
    @deploy/containers/verb.sh logs {{ ARGS }}

# more or fewer containers of a service: `scale processor=4`
scale +ARGS:
    @deploy/containers/verb.sh scale {{ ARGS }}

# any NATS command with the login that may only read: `nats sub 'ticks.>'`
[positional-arguments]
nats +ARGS:
    @deploy/containers/verb.sh nats "$@"

# SQL in the running database, as reader: `psql -c "select …"`; `psql --admin` as superuser
[positional-arguments]
psql *ARGS: build-stack
    @exec target/release/stack psql "$@"

# decoded messages of a subject, one JSON object a line: `tap 'ticks.clean.trade.>'`
[positional-arguments]
tap +ARGS:
    @NATS_URL="${NATS_URL:-$(cat .local/run/nats-url 2>/dev/null || echo nats://127.0.0.1:4222)}" cargo run --locked --release --quiet -p bus --bin tap -- "$@"

# build what demo and up run (release), the page first: it is part of the dashboard
build: page
    cargo build --locked --release --bins {{ services }}

# build the page; fetches Node where the machine has none of 20.19 or later
page:
    @services/dashboard/web/build.sh

[private]
build-stack:
    @cargo build --locked --release --quiet --bin stack -p stack

# everything there is to test, with coverage; installs what it needs
test:
    @deploy/stack/test.sh

# format, lints, licences and sources of the dependencies
lint:
    @deploy/stack/lint.sh

# figures: limits of bus and database beside ours
bench *ARGS: build
    cargo run --locked --release -p bench -- {{ ARGS }}

# figures: frames and heap of the page at 2,000 events/s; needs Chromium. Answer times of its API: `bench page`
bench-page: build
    cargo run --locked --release -p browser --example page
