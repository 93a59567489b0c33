//! Numbers of variable length in a blob: LEB128, seven bits a byte, the lowest first
//! (<https://dwarfstd.org/doc/DWARF5.pdf>, section 7.6). Signed ones are zigzag-coded, so that small ones stay short.

/// Appends a number: 1 byte below 128, 10 at most.
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    let lowest = |value: u64| value.to_le_bytes()[0];
    while value >= 0x80 {
        out.push(lowest(value) | 0x80);
        value >>= 7;
    }
    out.push(lowest(value));
}

/// Appends a signed number.
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Takes numbers off the front of a blob.
pub(crate) struct Numbers<'a>(pub(crate) &'a [u8]);

impl Numbers<'_> {
    /// The next number.
    pub(crate) fn take(&mut self) -> Result<u64, &'static str> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or("it ends in the middle")?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("it holds a number that is too large")
    }

    /// The next signed number.
    pub(crate) fn take_signed(&mut self) -> Result<i64, &'static str> {
        let value = self.take()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// The next number, where it fits `T`.
    pub(crate) fn take_as<T: TryFrom<u64>>(&mut self) -> Result<T, &'static str> {
        T::try_from(self.take()?).map_err(|_| "it holds a number that is out of range")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(unsigned in any::<u64>(), signed in any::<i64>()) {
            let mut bytes = Vec::new();
            put(&mut bytes, unsigned);
            put_signed(&mut bytes, signed);
            let mut numbers = Numbers(&bytes);
            prop_assert_eq!((numbers.take(), numbers.take_signed()), (Ok(unsigned), Ok(signed)));
            prop_assert!(numbers.0.is_empty());
            prop_assert!(Numbers(&bytes[..bytes.len().min(1) - 1]).take().is_err());
        }

        #[test]
        fn any_bytes_are_numbers_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut numbers = Numbers(&bytes);
            while numbers.take().is_ok() {}
        }
    }

    #[test]
    fn small_numbers_are_short_and_large_ones_refused() {
        let length = |value| {
            let mut bytes = Vec::new();
            put_signed(&mut bytes, value);
            bytes.len()
        };
        assert_eq!([0, -1, 63, -64, 64, i64::MIN].map(length), [1, 1, 1, 1, 2, 10]);
        assert!(Numbers(&[0xff; 10]).take().is_err());
        assert!(Numbers(&[0x80, 0x80]).take().is_err());
        assert!(Numbers(&[0x80, 0x02]).take_as::<u8>().is_err());
    }
}
