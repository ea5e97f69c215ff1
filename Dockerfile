# One image a program: a static binary on an empty image. SERVICE names the program; BINARIES where it comes from:
# `builder` compiles here, `prebuilt` takes it from dist/, filled by deploy/containers/prebuild.sh.
# Needs BuildKit, in any version: no `syntax` line, which would fetch a frontend.
ARG BINARIES=builder
ARG RUST_IMAGE=rust:1.95-bookworm
ARG NODE_IMAGE=node:24-slim

# The page, which the dashboard carries.
FROM ${NODE_IMAGE} AS page
WORKDIR /src/services/dashboard/web
COPY services/dashboard/web/package.json services/dashboard/web/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
COPY services/dashboard/web .
RUN node_modules/.bin/vite build --logLevel warn

FROM ${RUST_IMAGE} AS builder
# Empty: the builder's own. With a target named, build scripts and macros stay dynamic while the programs become static.
ARG TARGET=
WORKDIR /src
COPY . .
COPY --from=page /src/services/dashboard/web/dist services/dashboard/web/dist
ENV RUSTFLAGS="-C target-feature=+crt-static"
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    target="${TARGET:-$(rustc -vV | sed -n 's/^host: //p')}" \
 && cargo build --locked --profile image --target "$target" --bins \
      -p feed -p processor -p writer -p dashboard -p venue-sim -p stack -p bus \
 && mkdir -p /out && cd "target/$target/image" \
 && cp feed processor writer dashboard venue-sim stack tap /out/

FROM scratch AS prebuilt
COPY dist/ /out/

FROM ${BINARIES} AS binaries

# The folders that fresh volumes are mounted on: a volume takes the owner of the folder it is first mounted on.
FROM scratch AS folders
USER 65532:65532
WORKDIR /volumes/nats
WORKDIR /volumes/settings
WORKDIR /secrets/nats
WORKDIR /secrets/postgres
WORKDIR /secrets/feed
WORKDIR /secrets/processor
WORKDIR /secrets/writer
WORKDIR /secrets/dashboard
WORKDIR /secrets/viewer
WORKDIR /secrets/migrate

FROM scratch AS service
ARG SERVICE
COPY --from=binaries /out/${SERVICE} /service
USER 65532:65532
ENTRYPOINT ["/service"]

# `stack` makes what the others find at their first start.
FROM service AS stack
COPY --from=folders --chown=65532:65532 /volumes /volumes
COPY --from=folders --chown=65532:65532 /secrets /secrets
WORKDIR /
