//! Heroes as replicated values: storage, packing and hashing.
//!
//! Invariant: the packed bytes are those of protocol version 7, which other builds read.

use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use gossip::{
    DIGEST_HEADER_BYTES, DecodeError, Dictionary, Interned, NODE_NAME_BYTES_MAX, NodeName, Payload,
    Reader, Writer,
};

use crate::hero::{Hero, HeroName, HeroRef, Location};

const PATROLLING: u8 = 1;
const IN_A_CITY: u8 = 1 << 1;

/// The city number of a hero at home.
const NOWHERE: u32 = u32::MAX;

/// A hero as a map stores it. The city is interned, since many heroes share few cities.
#[derive(Clone, Debug)]
pub struct StoredHero {
    name: HeroName,
    /// The interned number of the city, or [`NOWHERE`].
    city: u32,
    health: u8,
    is_patrolling: bool,
}

impl Payload for Hero {
    type Ref<'a> = HeroRef<'a>;
    type Stored = StoredHero;
    type Shared = Interned<NodeName>;
    type Dictionary = Dictionary<NodeName>;

    #[inline]
    fn borrow(&self) -> HeroRef<'_> {
        self.as_hero_ref()
    }

    #[inline]
    fn to_owned(view: HeroRef<'_>) -> Self {
        view.to_hero()
    }

    #[inline]
    fn is_valid(view: HeroRef<'_>) -> bool {
        view.is_valid()
    }

    #[inline]
    fn digest(view: HeroRef<'_>, header: &[u8; DIGEST_HEADER_BYTES]) -> u128 {
        let HeroRef { name, location, is_patrolling, health } = view;
        // Every field has its own position in a row of fixed width, so different heroes cannot have
        // the same row. The name has no fixed width and is hashed into the seed instead.
        let mut row = [0; DIGEST_HEADER_BYTES + 2 + NODE_NAME_BYTES_MAX];
        row[..DIGEST_HEADER_BYTES].copy_from_slice(header);
        row[DIGEST_HEADER_BYTES] = u8::from(is_patrolling);
        row[DIGEST_HEADER_BYTES + 1] = health;
        if let Location::City(city) = location {
            row[DIGEST_HEADER_BYTES + 2..].copy_from_slice(city.padded());
        }
        xxh3_128_with_seed(&row, xxh3_64(name.as_bytes()))
    }

    #[inline]
    fn store(view: HeroRef<'_>, cities: &mut Interned<NodeName>) -> StoredHero {
        let city = match view.location {
            Location::City(city) => cities.take(city),
            Location::Home => NOWHERE,
        };
        let HeroRef { name, is_patrolling, health, .. } = view;
        StoredHero { name: name.into(), city, health, is_patrolling }
    }

    #[inline]
    fn load<'a>(stored: &'a StoredHero, cities: &'a Interned<NodeName>) -> HeroRef<'a> {
        let StoredHero { name, city, health, is_patrolling } = stored;
        let location =
            if *city == NOWHERE { Location::Home } else { Location::City(cities.get(*city)) };
        HeroRef { name, location, is_patrolling: *is_patrolling, health: *health }
    }

    #[inline]
    fn release(stored: &StoredHero, cities: &mut Interned<NodeName>) {
        if stored.city != NOWHERE {
            cities.release(stored.city);
        }
    }

    #[inline]
    fn flags(view: HeroRef<'_>) -> u8 {
        let patrolling = if view.is_patrolling { PATROLLING } else { 0 };
        let in_a_city = if matches!(view.location, Location::City(_)) { IN_A_CITY } else { 0 };
        patrolling | in_a_city
    }

    #[inline]
    fn encode(view: HeroRef<'_>, out: &mut Writer, cities: &mut Dictionary<NodeName>) {
        out.byte(view.health);
        if let Location::City(city) = view.location {
            let (number, is_new) = cities.number_of(city);
            out.number(number);
            if is_new {
                out.text(city.as_str());
            }
        }
        out.text(view.name);
    }

    #[inline]
    fn decode<'a>(
        flags: u8,
        input: &mut Reader<'a>,
        cities: &mut Dictionary<NodeName>,
    ) -> Result<HeroRef<'a>, DecodeError> {
        let health = input.byte()?;
        let location = if flags & IN_A_CITY == 0 {
            Location::Home
        } else {
            let number = input.number()?;
            Location::City(cities.value(number, || input.name())?)
        };
        let is_patrolling = flags & PATROLLING != 0;
        Ok(HeroRef { name: input.text()?, location, is_patrolling, health })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heroes() -> Vec<Hero> {
        let gotham = Location::City("gotham".parse().unwrap());
        let ada = Hero::new("Ada".into());
        vec![ada.clone(), ada.patrolling(), ada.assigned(gotham), Hero { health: 1, ..ada }]
    }

    #[test]
    fn stored_hero_loads_unchanged_and_releases_its_city() {
        let mut cities = Interned::default();
        for hero in heroes() {
            let stored = Hero::store(hero.borrow(), &mut cities);
            assert_eq!(Hero::load(&stored, &cities).to_hero(), hero);
            Hero::release(&stored, &mut cities);
        }
        assert_eq!(cities.number_of("gotham".parse().unwrap()), None);
    }

    #[test]
    fn different_heroes_have_different_digests() {
        let header = [7; DIGEST_HEADER_BYTES];
        let digests = heroes().iter().map(|hero| Hero::digest(hero.borrow(), &header)).collect();
        let different: std::collections::BTreeSet<u128> = digests;
        assert_eq!(different.len(), heroes().len());
    }
}
