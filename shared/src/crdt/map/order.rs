//! Places of records in the order of some key of theirs. A place is four bytes; its key is the record's, which is asked for it.
//!
//! A list of blocks, each a sorted list of places, with a bound that no key in it is below. Almost everything arrives in order and is
//! appended; what does not is put into its block. No place moves further than within its block, or to the one beside it.
//!
//! Invariant: keys rise from place to place and from block to block (places decide between equal keys), and no block is empty.

/// How many places a block has at most.
const BLOCK: usize = 128;

/// Where a record lies.
pub(super) type Place = u32;

#[derive(Clone, Debug)]
pub(super) struct Order<K> {
    blocks: Vec<Block<K>>,
}

#[derive(Clone, Debug)]
struct Block<K> {
    /// At most the first of it, and above all before it.
    from: (K, Place),
    places: Vec<Place>,
}

impl<K> Default for Order<K> {
    fn default() -> Self {
        Self { blocks: Vec::new() }
    }
}

impl<K: Copy + Ord> Order<K> {
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Puts `place`, whose record has this key, where it belongs.
    pub(super) fn insert(&mut self, key: K, place: Place, key_of: impl Fn(Place) -> K) {
        let at = (key, place);
        let of = |place: Place| (key_of(place), place);
        let last = self.blocks.last().and_then(|block| block.places.last());
        let number = if last.is_some_and(|last| of(*last) < at) { self.blocks.len() - 1 } else { self.block_of(at) };
        let Some(block) = self.blocks.get_mut(number) else {
            return self.blocks.push(Block { from: at, places: vec![place] });
        };
        block.from = block.from.min(at);
        if block.places.last().is_some_and(|last| of(*last) < at) {
            if block.places.len() < BLOCK {
                block.places.push(place);
            } else if let Some(next) = self.blocks.get_mut(number + 1).filter(|next| next.places.len() < BLOCK) {
                next.places.insert(0, place);
                next.from = at;
            } else {
                self.blocks.insert(number + 1, Block { from: at, places: vec![place] });
            }
            return;
        }
        block.places.insert(block.places.partition_point(|place| of(*place) < at), place);
        if block.places.len() > BLOCK {
            let places = block.places.split_off(BLOCK / 2);
            self.blocks.insert(number + 1, Block { from: of(places[0]), places });
        }
    }

    /// Takes out `place`, whose record has, or had, this key.
    pub(super) fn remove(&mut self, key: K, place: Place) {
        let number = self.block_of((key, place));
        let (block, index) = self
            .blocks
            .get_mut(number)
            .and_then(|block| block.places.iter().position(|held| *held == place).map(|index| (block, index)))
            .expect("only what was put in is taken out");
        block.places.remove(index);
        if block.places.is_empty() {
            self.blocks.remove(number);
        } else {
            self.join(number);
            number.checked_sub(1).into_iter().for_each(|before| self.join(before));
        }
    }

    /// Makes one block of this and the next, if both are nearly empty.
    fn join(&mut self, number: usize) {
        if let [block, next, ..] = &mut self.blocks[number..]
            && block.places.len() + next.places.len() <= BLOCK / 2
        {
            block.places.append(&mut next.places);
            self.blocks.remove(number + 1);
        }
    }

    /// The places from the first whose key is not below `from` (or not even equal, with `excluded`), in order.
    pub(super) fn starting(&self, from: K, excluded: bool, key_of: impl Fn(Place) -> K) -> impl Iterator<Item = Place> {
        let is_before = |key: K| key < from || excluded && key == from;
        let number = self.blocks.partition_point(|block| is_before(block.from.0)).saturating_sub(1);
        let skipped = self.blocks.get(number).map_or(0, |block| block.places.partition_point(|place| is_before(key_of(*place))));
        self.blocks.iter().skip(number).flat_map(|block| &block.places).skip(skipped).copied()
    }

    /// All places, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Place> {
        self.blocks.iter().flat_map(|block| &block.places).copied()
    }

    /// The block that this is in, or would be; 0 if there is none.
    fn block_of(&self, at: (K, Place)) -> usize {
        self.blocks.partition_point(|block| block.from <= at).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Steps through a set of numbers in an order that looks like chance, and is the same in every run.
    fn shuffled(count: u32) -> impl Iterator<Item = u32> {
        // A step that shares no factor with the modulus meets every number once.
        (0..u64::from(count))
            .map(move |step| ((step * 7_919 + 13) % u64::from(count)) as u32)
            .inspect(move |number| assert!(*number < count))
    }

    #[test]
    fn it_holds_what_a_set_of_pairs_would_hold_in_the_same_order() {
        const COUNT: u32 = 5_000;
        // Four places share each key.
        let key_of = |place: Place| place.wrapping_mul(2_654_435_761) >> 20 & !3;
        let (mut order, mut set) = (Order::default(), BTreeSet::new());
        let check = |order: &Order<u32>, set: &BTreeSet<(u32, Place)>| {
            assert_eq!(order.is_empty(), set.is_empty());
            assert!(order.iter().eq(set.iter().map(|(_, place)| *place)));
            for bound in [0, 1, 400, 2_048, 4_092, 5_000] {
                for excluded in [false, true] {
                    let from = if excluded { (bound, Place::MAX) } else { (bound, 0) };
                    let expected = set.range(from..).map(|(_, place)| *place);
                    assert!(order.starting(bound, excluded, key_of).eq(expected), "from {bound}, excluded: {excluded}");
                }
            }
            assert!(order.blocks.iter().all(|block| (1..=BLOCK).contains(&block.places.len())));
        };
        check(&order, &set);
        for place in shuffled(COUNT) {
            order.insert(key_of(place), place, key_of);
            set.insert((key_of(place), place));
        }
        check(&order, &set);
        for (step, place) in shuffled(COUNT).enumerate() {
            order.remove(key_of(place), place);
            set.remove(&(key_of(place), place));
            if step % 500 == 0 {
                check(&order, &set);
                assert!(order.blocks.len() <= 2 + 4 * set.len() / (BLOCK / 2), "blocks that are nearly empty are joined");
            }
        }
        check(&order, &set);
    }

    #[test]
    fn what_arrives_in_falling_order_fills_its_blocks_too_and_what_goes_in_rising_order_leaves_few() {
        let mut order = Order::default();
        (0..128).chain((10_000..20_000).rev()).for_each(|place| order.insert(u64::from(place), place, u64::from));
        assert!(order.iter().eq((0..128).chain(10_000..20_000)));
        assert!(order.blocks.len() <= 2 + 10_000 / (BLOCK / 2), "{}", order.blocks.len());
        // Of each ten one is left.
        (10_000..20_000).filter(|place| place % 10 > 0).for_each(|place| order.remove(u64::from(place), place));
        assert_eq!(order.iter().count(), 1_128);
        assert!(order.blocks.len() <= 2 + 4 * 1_128 / (BLOCK / 2), "{}", order.blocks.len());
    }

    #[test]
    fn what_arrives_in_order_fills_its_blocks() {
        let mut order = Order::default();
        (0..10_000).for_each(|place| order.insert(u64::from(place), place, u64::from));
        assert!(order.iter().eq(0..10_000));
        assert_eq!(order.blocks.len(), 10_000_usize.div_ceil(BLOCK));
    }
}
