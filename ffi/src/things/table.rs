//! Things of a runtime that ids name: numbered, looked up under a lock, gone when removed.
//!
//! A place that is used again has another generation, so that an id of what was there before finds nothing. A place
//! whose generations are used up is not used again.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::memory;

/// Where something is: what an id of C carries.
pub(crate) type Key = (u32, u32);

/// See the module.
pub(crate) struct Table<T>(Mutex<Places<T>>);

struct Places<T> {
    all: Vec<Place<T>>,
    free: Vec<u32>,
}

struct Place<T> {
    generation: u32,
    thing: Option<Arc<T>>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table(Mutex::new(Places { all: Vec::new(), free: Vec::new() }))
    }
}

impl<T> Table<T> {
    fn lock(&self) -> MutexGuard<'_, Places<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts it in, and says where. Taking it out needs no memory.
    pub(crate) fn insert(&self, thing: T) -> Result<Key> {
        let thing = Some(memory::shared(thing)?);
        let mut guard = self.lock();
        let places = &mut *guard;
        if let Some(index) = places.free.pop() {
            let place = &mut places.all[index as usize];
            place.generation += 1;
            place.thing = thing;
            return Ok((index, place.generation));
        }
        let index = u32::try_from(places.all.len()).map_err(|_| Error::NO_MEMORY)?;
        memory::room(&mut places.all)?;
        memory::room_for_free(&mut places.free, &places.all)?;
        places.all.push(Place { generation: 1, thing });
        Ok((index, 1))
    }

    /// What is there.
    pub(crate) fn get(&self, (index, generation): Key) -> Result<Arc<T>> {
        let places = self.lock();
        let place = places.all.get(index as usize).filter(|place| place.generation == generation);
        place.and_then(|place| place.thing.clone()).ok_or(Error::STALE)
    }

    /// Takes out what is there, if `may` agrees.
    pub(crate) fn remove(&self, key: Key, may: impl FnOnce(&T) -> Result<()>) -> Result<Arc<T>> {
        let (index, generation) = key;
        let mut places = self.lock();
        let place = places.all.get_mut(index as usize).filter(|place| place.generation == generation);
        let place = place.ok_or(Error::STALE)?;
        may(place.thing.as_deref().ok_or(Error::STALE)?)?;
        let thing = place.thing.take().ok_or(Error::STALE)?;
        if generation != u32::MAX {
            places.free.push(index);
        }
        Ok(thing)
    }

    /// Everything that is there.
    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        self.lock().all.iter().filter_map(|place| place.thing.clone()).collect()
    }
}

impl<T> fmt::Debug for Table<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.lock();
        f.debug_struct("Table").field("used", &(places.all.len() - places.free.len())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_thing_is_not_found_again_and_its_place_is_used_under_another_name() {
        let table = Table::default();
        let first = table.insert("first").unwrap();
        let other = table.insert("other").unwrap();
        assert_eq!(*table.get(first).unwrap(), "first");
        assert_eq!(table.remove(first, |_| Err(Error::BUSY)).unwrap_err(), Error::BUSY);
        assert_eq!(*table.remove(first, |_| Ok(())).unwrap(), "first");
        assert_eq!(table.get(first).unwrap_err(), Error::STALE);
        assert_eq!(table.remove(first, |_| Ok(())).unwrap_err(), Error::STALE);
        let second = table.insert("second").unwrap();
        assert_eq!((second.0, second.1), (first.0, first.1 + 1));
        assert_eq!(table.get(first).unwrap_err(), Error::STALE);
        assert_eq!(table.all().len(), 2);
        assert_eq!(*table.get(other).unwrap(), "other");
        assert_eq!(table.get((7, 1)).unwrap_err(), Error::STALE);
    }
}
