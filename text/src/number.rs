//! Numbers.

/// A number with its noun: `1 file`, `2 files`, `1,234 processes`.
pub fn count(number: u64, noun: &str) -> String {
    let number_said = thousands(number);
    match noun.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u'])) {
        _ if number == 1 => format!("{number_said} {noun}"),
        Some(stem) => format!("{number_said} {stem}ies"),
        None if noun.ends_with('s') => format!("{number_said} {noun}es"),
        None => format!("{number_said} {noun}s"),
    }
}

/// A number with commas.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_commas_and_its_noun_an_ending() {
        assert_eq!(count(0, "file"), "0 files");
        assert_eq!(count(1, "file"), "1 file");
        assert_eq!(count(2, "process"), "2 processes");
        assert_eq!(count(1, "repository"), "1 repository");
        assert_eq!(count(3, "repository"), "3 repositories");
        assert_eq!(count(3, "day"), "3 days");
        assert_eq!(count(1_234_567, "event"), "1,234,567 events");
        assert_eq!([999, 1000, 100_000].map(thousands), ["999", "1,000", "100,000"]);
    }
}
