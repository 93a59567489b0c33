//! The children of members that no entry could be made for, for who must end them when the process that loaded the kernel side is
//! gone.

use crate::Error;
use crate::words::Words;
use aya::Ebpf;
use aya::maps::{Map, MapData};

const NAME: &str = "STRAYS";
const WORDS: u32 = abi::MAX_PIDS / 64;

/// Their table.
pub struct Strays(Words);

impl Strays {
    /// Opens it by its number, bpf(2): it holds as long as the kernel side is loaded, and what was opened beyond that.
    ///
    /// # Errors
    /// It is not loaded any more.
    pub fn open(id: u32) -> Result<Self, Error> {
        let map = MapData::from_id(id).map_err(found)?;
        Words::of(&map, NAME, WORDS).map(Self)
    }

    /// Those that have not ended.
    pub fn pids(&self) -> Vec<u32> {
        self.0.bits()
    }

    pub(crate) fn take(bpf: &mut Ebpf) -> Result<Words, Error> {
        Words::take(bpf, NAME, WORDS)
    }

    /// The number of the table of an object that was loaded.
    pub(crate) fn id(bpf: &Ebpf) -> Result<u32, Error> {
        let Some(Map::Array(map)) = bpf.map(NAME) else { return Err(Error::Incomplete(NAME)) };
        Ok(map.info().map_err(found)?.id())
    }
}

fn found(source: aya::maps::MapError) -> Error {
    Error::Map { name: NAME, what: "found", source: Box::new(source) }
}
