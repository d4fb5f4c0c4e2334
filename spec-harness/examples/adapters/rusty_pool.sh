#!/bin/sh
# rusty_pool; `.ci/adapters` builds it.
exec "$(dirname "$0")/rust-pools/target/release/rusty_pool"
