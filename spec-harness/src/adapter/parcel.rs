//! What a task gives back, value or error: it travels as what it holds, unless it was told that it cannot.

use std::borrow::Borrow;

use serde::ser::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Content on its way to the program.
#[derive(Debug, Clone)]
pub(super) struct Parcel<T> {
    pub(super) content: T,
    stays: bool,
}

impl<T> Parcel<T> {
    /// It arrives as it is.
    pub(super) fn sent(content: T) -> Self {
        Parcel {
            content,
            stays: false,
        }
    }

    /// No codec can write it.
    pub(super) fn stuck(content: T) -> Self {
        Parcel {
            content,
            stays: true,
        }
    }
}

impl<T> From<T> for Parcel<T> {
    fn from(content: T) -> Self {
        Parcel::sent(content)
    }
}

impl<T> Borrow<T> for Parcel<T> {
    fn borrow(&self) -> &T {
        &self.content
    }
}

impl<T> Borrow<T> for &Parcel<T> {
    fn borrow(&self) -> &T {
        &self.content
    }
}

impl<T: Serialize> Serialize for Parcel<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.stays {
            return Err(S::Error::custom("it was told not to travel"));
        }
        self.content.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Parcel<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Parcel::sent)
    }
}
