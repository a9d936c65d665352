//! youki, by its own command line: the tool whose library the embedded runtime uses.
//!
//! Where to look next: `../oci.rs`, which drives it.

use super::Tool;

/// youki.
pub static YOUKI: Tool = Tool { name: "youki", global: &[], one_kernel: true };
