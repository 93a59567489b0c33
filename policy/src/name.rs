//! The names that users give: of an agent, and of a task. One becomes part of a file's name and a word of tables, so that it is
//! short and plain.

/// Bytes that a name may have.
pub const NAME_LONGEST: usize = 64;

/// Whether a text can be a name: letters, digits, `.`, `-` and `_`, and no dot at its beginning.
pub fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    !text.is_empty() && text.len() <= NAME_LONGEST && !text.starts_with('.') && text.bytes().all(fits)
}
