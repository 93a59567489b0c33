//! The machines of the tests.

use std::fs;

/// Whether this is a virtual machine of the tests: emulation is some twenty times slower.
pub fn is_machine() -> bool {
    fs::read_to_string("/etc/os-release").unwrap_or_default().contains("virtual machine")
}
