# The tasks of this repository. `just` lists them.

default:
    @just --list --unsorted

# Start the whole pipeline in one process, on ./evp-data
serve *ARGS:
    cargo run --release -- serve {{ARGS}}

# Unit, contract, pipeline, crash and CLI tests; needs no server
test:
    cargo test

# Format, lints, architecture, licences: what a change must pass beside the tests
check:
    cargo fmt --check
    cargo clippy --all-targets --test services --test power --test acceptance --all-features -- -D warnings
    cargo test --test architecture
    just deny

# Licences, banned crates and sources of dependencies
deny:
    cargo deny check bans licenses sources

# Known vulnerabilities (needs the advisory database from the network)
advisories:
    cargo deny check advisories

# Power cuts on a loop-mounted file system (root): how many
power CUTS="5":
    EVP_POWER_CUTS={{CUTS}} cargo test --test power -- --nocapture

# The suite on real servers: installs what is missing, starts, runs and stops them
services *ARGS:
    bash scripts/test-services {{ARGS}}

# Wrong builds on purpose, each of which some test has to kill (root, servers); NAME… some of them
mutants *ARGS:
    scripts/mutants {{ARGS}}

# The long runs: power cuts, random kills and outages in full number, a ledger beyond its memory
nightly:
    cargo test --test jobs -- --ignored --nocapture ledger
    EVP_POWER_CUTS=100 cargo test --test power -- --nocapture
    EVP_KILLS=100 cargo test --test crash -- --nocapture random_kills
    just nightly-services

# The long run on real servers: each role killed 20 times, outages of 3 minutes, partners that come and go
nightly-services:
    EVP_TEST_THREADS=1 EVP_KILLS=20 EVP_OUTAGE_SECS=180 EVP_JOINS=20 EVP_ZOMBIES=3 EVP_FLUSHES=20 EVP_LIES=20 \
        bash scripts/test-services faults:: --nocapture

# The speed table beside floors and peers of the same run, about 45 minutes; EVP_BENCH_ONLY=single,log for rows, EVP_BENCH_SHORT=1 for a try
bench:
    bash scripts/install-servers
    cargo bench --bench speed

# What parts cost by themselves: the door, marks, the store, the pipeline behind the door
bench-parts:
    cargo bench --bench ingest --bench state --bench store --bench pipeline

# Write completions/ and docs/cli.md anew from the binary
generate:
    UPDATE=1 cargo test --test cli generated

# Everything that CI runs
ci:
    bash .ci/run
