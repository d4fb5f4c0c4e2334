//! Programs that must not compile, and what the compiler says of them: as in `pool-core`, in this crate's folder.

#[path = "../../pool-core/tests/ui.rs"]
mod ui;
