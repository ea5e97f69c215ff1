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
psql *ARGS:
    @deploy/containers/verb.sh psql "$@"

# decoded messages of a subject, one JSON object a line: `tap 'ticks.clean.trade.>'`
[positional-arguments]
tap +ARGS:
    @deploy/containers/verb.sh tap "$@"

# build what demo and up run (release), the page first: it is part of the dashboard
build: page
    cargo build --locked --release --bins {{ services }}

# build the page; fetches Node where the machine has none of 20.19 or later
page:
    @services/dashboard/web/build.sh

# types and lints alone: format, clippy, documentation, scripts, licences
check: page
    @deploy/stack/lint.sh

# format, clippy, and every test that needs no server
unit:
    @deploy/stack/test.sh --unit

# everything there is to test, with coverage; `test WORD…` what is named so, `--long`, `--timings`, `--help`
[positional-arguments]
test *ARGS:
    @deploy/stack/test.sh "$@"

# figures: limits of bus and database beside ours
bench *ARGS: page
    cargo build --locked --release --bins {{ services }} -p bench
    target/release/bench {{ ARGS }}

# figures: frames and heap of the page at 2,000 events/s; needs Chromium. Answer times of its API: `bench page`
bench-page: page
    cargo build --locked --release --bins --example page {{ services }} -p browser
    target/release/examples/page
