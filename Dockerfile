# syntax=docker/dockerfile:1
# evp as an image: built from source, run by a user without rights.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked && cp target/release/evp /evp

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/evp --create-home --shell /usr/sbin/nologin evp \
    && chmod 700 /var/lib/evp
COPY --from=build /evp /usr/local/bin/evp
USER evp
WORKDIR /var/lib/evp
ENV EVP__DATA_DIR=/var/lib/evp \
    EVP__ADMIN__LISTEN=0.0.0.0:9600
VOLUME /var/lib/evp
EXPOSE 8080 9600
# Ready: this role can do its work now.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
    CMD ["/bin/bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9600 && printf 'GET /readyz HTTP/1.0\\r\\nhost: evp\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '"]
ENTRYPOINT ["evp"]
CMD ["serve", "--listen", "0.0.0.0:8080"]
