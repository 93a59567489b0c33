//! Paths in JSON: as text, and where that is not all of it, as base64 beside.

use bstr::{BString, ByteSlice};
use serde_json::{Map, Value};

/// Puts a path into an object.
pub fn put(object: &mut Map<String, Value>, name: &str, path: &BString) {
    object.insert(name.to_owned(), path.to_str_lossy().into());
    if path.to_str().is_err() {
        object.insert(format!("{name}_base64"), base64(path).into());
    }
}

/// Puts paths into an object.
pub fn put_all(object: &mut Map<String, Value>, name: &str, paths: &[BString]) {
    let texts = paths.iter().map(|path| Value::from(path.to_str_lossy()));
    object.insert(name.to_owned(), texts.collect());
    if paths.iter().any(|path| path.to_str().is_err()) {
        object.insert(format!("{name}_base64"), paths.iter().map(|path| base64(path)).collect());
    }
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = ALPHABET.get((word >> (18 - 6 * place) & 63) as usize);
            out.push(digit.filter(|_| place <= chunk.len()).copied().map_or('=', char::from));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (plain, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn a_path_is_text_and_what_is_none_is_whole_beside() {
        let mut object = Map::new();
        put(&mut object, "home", &"/home/u".into());
        put_all(&mut object, "workspaces", &["/w".into(), BString::from(&b"/\xff"[..])]);
        let expected = serde_json::json!({
            "home": "/home/u",
            "workspaces": ["/w", "/\u{fffd}"],
            "workspaces_base64": ["L3c=", "L/8="],
        });
        assert_eq!(Value::Object(object), expected);
    }
}
