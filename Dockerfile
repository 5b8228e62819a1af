# syntax=docker/dockerfile:1
# One image, any number of nodes: `docker build -t apiverse .`
# The build is `make build`, as on a developer's machine; only the base images are Docker's own.

ARG RUST_IMAGE=rust:1.95-bookworm
ARG NODE_IMAGE=node:20-bookworm-slim
ARG RUNTIME_IMAGE=debian:bookworm-slim

FROM ${NODE_IMAGE} AS node

FROM ${RUST_IMAGE} AS build
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=node /usr/local/lib/node_modules /usr/local/lib/node_modules
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
ENV APIVERSE_CACHE=/opt/apiverse
WORKDIR /src

# Tools change seldom: a layer of their own, so that a change of a source does not build them again.
COPY package.json package-lock.json .npmrc Cargo.lock ./
COPY scripts scripts
RUN scripts/tools.sh build

COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    make build

# An empty folder of the right owner, for images without a shell to make it in.
RUN mkdir -p /out/data

FROM ${RUNTIME_IMAGE}
LABEL org.opencontainers.image.title="APIverse" \
      org.opencontainers.image.description="A self-hosted API platform in one binary" \
      org.opencontainers.image.licenses="Apache-2.0"
# Upstreams are reached over TLS: their roots come with the image, whatever the base image has.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build --chown=0:0 /src/dist /app
COPY --from=build --chown=10001:10001 /out/data /data

# Everything that is written goes to /data; the rest of the file system may be read-only.
ENV APIVERSE_DATA_DIR=/data \
    APIVERSE_ADDR=0.0.0.0:8000 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["/app/apiverse", "doctor", "--url", "http://127.0.0.1:8000/health"]
ENTRYPOINT ["/app/apiverse"]
CMD ["serve"]
