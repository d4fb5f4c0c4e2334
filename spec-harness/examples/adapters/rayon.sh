#!/bin/sh
# rayon's thread pool; `.ci/adapters` builds it.
exec "$(dirname "$0")/rust-pools/target/release/rayon"
