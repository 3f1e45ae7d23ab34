//! The bytes that a fuzzer makes up, as something to draw from.

/// The bytes of an input, read from the front. Beyond the end everything is zero.
pub(crate) struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    pub(crate) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let [byte] = self.array();
        byte
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.take(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    pub(crate) fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()].clone()
    }
}

/// Lets a script draw from its input as if it were one.
macro_rules! draws_from_input {
    ($script:ident) => {
        impl<'a> std::ops::Deref for $script<'a> {
            type Target = crate::input::Input<'a>;

            fn deref(&self) -> &Self::Target {
                &self.input
            }
        }

        impl std::ops::DerefMut for $script<'_> {
            fn deref_mut(&mut self) -> &mut Self::Target {
                &mut self.input
            }
        }
    };
}

pub(crate) use draws_from_input;
