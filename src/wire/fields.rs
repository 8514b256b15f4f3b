//! Values in a payload, and how they are written and read.
//!
//! Each type that goes over a wire says both in one place: a struct by the list of its fields ([`payload!`]),
//! an enumeration by its numbers. So what is written cannot differ from what is read. Numbers are little-endian, and bytes
//! have their length before them.

use core::time::Duration;

/// A value that stands in a payload.
pub(crate) trait Field<'a>: Sized {
    /// Appends the value.
    fn put(&self, out: &mut Vec<u8>);
    /// The value that stands next; `None` if there is none, never a panic.
    fn take(fields: &mut Fields<'a>) -> Option<Self>;
}

/// A payload that is read from front to back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value that stands next.
    pub(crate) fn next<T: Field<'a>>(&mut self) -> Option<T> {
        T::take(self)
    }

    fn split(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

/// A type whose fields stand in a payload in the order in which they are listed here.
macro_rules! payload {
    ($name:ident $(<$life:lifetime>)? { $($field:tt),+ $(,)? }) => {
        impl<'a> $crate::wire::fields::Field<'a> for $name $(<$life>)? {
            fn put(&self, out: &mut Vec<u8>) {
                $($crate::wire::fields::Field::put(&self.$field, out);)+
            }

            fn take(fields: &mut $crate::wire::fields::Fields<'a>) -> Option<Self> {
                Some(Self { $($field: fields.next()?),+ })
            }
        }
    };
}

pub(crate) use payload;

/// Types that have numbers of their own: those of an enumeration stand beside its variants, and no other is one of it.
macro_rules! numbered {
    ($($name:ident)+) => {$(
        impl<'a> $crate::wire::fields::Field<'a> for $name {
            fn put(&self, out: &mut Vec<u8>) {
                out.push(u8::from(*self));
            }

            fn take(fields: &mut $crate::wire::fields::Fields<'a>) -> Option<Self> {
                Self::try_from(fields.next::<u8>()?).ok()
            }
        }
    )+};
}

pub(crate) use numbered;

macro_rules! numbers {
    ($($number:ident)+) => {$(
        impl<'a> Field<'a> for $number {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn take(fields: &mut Fields<'a>) -> Option<Self> {
                fields.split(size_of::<Self>())?.try_into().ok().map(Self::from_le_bytes)
            }
        }
    )+};
}

numbers! { u8 u16 u32 u64 u128 i32 i64 }

impl<'a> Field<'a> for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(fields: &mut Fields<'a>) -> Option<Self> {
        fields.next::<u8>().map(|byte| byte != 0)
    }
}

impl<'a> Field<'a> for &'a [u8] {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u32).put(out);
        out.extend_from_slice(self);
    }

    fn take(fields: &mut Fields<'a>) -> Option<Self> {
        let length: u32 = fields.next()?;
        fields.split(length as usize)
    }
}

impl<'a> Field<'a> for &'a str {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_bytes().put(out);
    }

    fn take(fields: &mut Fields<'a>) -> Option<Self> {
        core::str::from_utf8(fields.next()?).ok()
    }
}

impl<'a> Field<'a> for Vec<u8> {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_slice().put(out);
    }

    fn take(fields: &mut Fields<'a>) -> Option<Self> {
        fields.next().map(<[u8]>::to_vec)
    }
}

impl<'a> Field<'a> for String {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_str().put(out);
    }

    fn take(fields: &mut Fields<'a>) -> Option<Self> {
        fields.next().map(str::to_owned)
    }
}

/// What may be missing: a byte says whether it is there.
impl<'a, T: Field<'a>> Field<'a> for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(fields: &mut Fields<'a>) -> Option<Self> {
        if fields.next()? { fields.next().map(Some) } else { Some(None) }
    }
}

/// In whole microseconds.
impl<'a> Field<'a> for Duration {
    fn put(&self, out: &mut Vec<u8>) {
        u64::try_from(self.as_micros()).unwrap_or(u64::MAX).put(out);
    }

    fn take(fields: &mut Fields<'a>) -> Option<Self> {
        fields.next().map(Self::from_micros)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use core::fmt::Debug;
    use proptest::prelude::*;

    /// The value as it is read from what was written for it.
    ///
    /// # Panics
    /// What was written is not read, or not as a whole.
    pub(crate) fn sent<'a, T: Field<'a> + Debug>(value: &T) -> T {
        let mut payload = Vec::new();
        value.put(&mut payload);
        // A payload lasts as long as the tests do: what is read may borrow from it.
        let mut fields = Fields(payload.leak());
        let read = fields.next().expect("what was written");
        assert!(fields.is_empty(), "{value:?} is longer than {read:?}");
        read
    }

    proptest! {
        #[test]
        fn what_is_put_is_what_is_taken(
            numbers: (u8, u16, u32, u64, u128, i32, i64), yes: bool, bytes: Vec<u8>, text: String, micros: u64, some: Option<u32>
        ) {
            let (a, b, c, d, e, f, g) = numbers;
            prop_assert_eq!((sent(&a), sent(&b), sent(&c)), (a, b, c));
            prop_assert_eq!((sent(&d), sent(&e)), (d, e));
            prop_assert_eq!((sent(&f), sent(&g), sent(&yes)), (f, g, yes));
            prop_assert_eq!(sent(&some), some);
            prop_assert_eq!(sent(&Duration::from_micros(micros)), Duration::from_micros(micros));
            prop_assert_eq!(sent(&&*text), &*text);
            prop_assert_eq!(sent(&&*bytes), &*bytes);
            prop_assert_eq!((sent(&text), sent(&bytes)), (text.clone(), bytes.clone()));
        }

        #[test]
        fn what_is_not_there_is_none_and_takes_nothing(payload: Vec<u8>) {
            let mut fields = Fields(&payload);
            while let Some(bytes) = fields.next::<&[u8]>() {
                prop_assert!(bytes.len() < payload.len());
            }
            prop_assert!(fields.next::<&str>().is_none());
        }
    }
}
