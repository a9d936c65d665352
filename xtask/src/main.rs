//! The project's own chores: `cargo xtask bench NAME`, `cargo xtask prove NAME`.
fn main() {}
