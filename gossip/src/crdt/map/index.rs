//! Slots of a map's records, sorted by some key of the records. An entry of the index takes four
//! bytes: its key is read from the record.
//!
//! The index is a list of blocks, each a sorted list of slots with a lower bound of their keys.
//! Almost every insertion is an append; any other goes into the middle of its block. No slot moves
//! further than within its block, or to the next one.
//!
//! Invariant: keys rise from slot to slot and from block to block (slots break ties), and no block
//! is empty.

/// How many slots a block has at most.
const BLOCK: usize = 128;

/// Where a record lies.
pub(super) type SlotId = u32;

#[derive(Clone, Debug)]
pub(super) struct Index<K> {
    blocks: Vec<Block<K>>,
}

#[derive(Clone, Debug)]
struct Block<K> {
    /// At most the first of it, and above all before it.
    from: (K, SlotId),
    slots: Vec<SlotId>,
}

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self { blocks: Vec::new() }
    }
}

impl<K: Copy + Ord> Index<K> {
    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Puts `slot`, whose record has this key, where it belongs.
    pub(super) fn insert(&mut self, key: K, slot: SlotId, key_of: impl Fn(SlotId) -> K) {
        let at = (key, slot);
        let of = |slot: SlotId| (key_of(slot), slot);
        let last = self.blocks.last().and_then(|block| block.slots.last());
        let number = if last.is_some_and(|last| of(*last) < at) {
            self.blocks.len() - 1
        } else {
            self.block_of(at)
        };
        let Some(block) = self.blocks.get_mut(number) else {
            return self.blocks.push(Block { from: at, slots: vec![slot] });
        };
        block.from = block.from.min(at);
        if block.slots.last().is_some_and(|last| of(*last) < at) {
            if block.slots.len() < BLOCK {
                block.slots.push(slot);
            } else if let Some(next) =
                self.blocks.get_mut(number + 1).filter(|next| next.slots.len() < BLOCK)
            {
                next.slots.insert(0, slot);
                next.from = at;
            } else {
                self.blocks.insert(number + 1, Block { from: at, slots: vec![slot] });
            }
            return;
        }
        block.slots.insert(block.slots.partition_point(|slot| of(*slot) < at), slot);
        if block.slots.len() > BLOCK {
            let slots = block.slots.split_off(BLOCK / 2);
            self.blocks.insert(number + 1, Block { from: of(slots[0]), slots });
        }
    }

    /// Takes out `slot`, whose record has, or had, this key.
    pub(super) fn remove(&mut self, key: K, slot: SlotId) {
        let number = self.block_of((key, slot));
        let (block, index) = self
            .blocks
            .get_mut(number)
            .and_then(|block| {
                block.slots.iter().position(|held| *held == slot).map(|index| (block, index))
            })
            .expect("only what was put in is taken out");
        block.slots.remove(index);
        if block.slots.is_empty() {
            self.blocks.remove(number);
        } else {
            self.join(number);
            number.checked_sub(1).into_iter().for_each(|before| self.join(before));
        }
    }

    /// Makes one block of this and the next, if both are nearly empty.
    fn join(&mut self, number: usize) {
        if let [block, next, ..] = &mut self.blocks[number..]
            && block.slots.len() + next.slots.len() <= BLOCK / 2
        {
            block.slots.append(&mut next.slots);
            self.blocks.remove(number + 1);
        }
    }

    /// The slots from the first whose key is not below `from` (or not even equal, with `excluded`),
    /// in order.
    pub(super) fn starting(
        &self,
        from: K,
        excluded: bool,
        key_of: impl Fn(SlotId) -> K,
    ) -> impl Iterator<Item = SlotId> {
        let is_before = |key: K| key < from || excluded && key == from;
        let number = self.blocks.partition_point(|block| is_before(block.from.0)).saturating_sub(1);
        let skipped = self
            .blocks
            .get(number)
            .map_or(0, |block| block.slots.partition_point(|slot| is_before(key_of(*slot))));
        self.blocks.iter().skip(number).flat_map(|block| &block.slots).skip(skipped).copied()
    }

    /// All slots, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = SlotId> {
        self.blocks.iter().flat_map(|block| &block.slots).copied()
    }

    /// The block that this is in, or would be; 0 if there is none.
    fn block_of(&self, at: (K, SlotId)) -> usize {
        self.blocks.partition_point(|block| block.from <= at).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Steps through a set of numbers in an order that looks like chance, and is the same in every
    /// run.
    fn shuffled(count: u32) -> impl Iterator<Item = u32> {
        // A step that shares no factor with the modulus meets every number once.
        (0..u64::from(count))
            .map(move |step| ((step * 7_919 + 13) % u64::from(count)) as u32)
            .inspect(move |number| assert!(*number < count))
    }

    #[test]
    fn it_holds_what_a_set_of_pairs_would_hold_in_the_same_order() {
        const COUNT: u32 = 5_000;
        // Four slots share each key.
        let key_of = |slot: SlotId| slot.wrapping_mul(2_654_435_761) >> 20 & !3;
        let (mut order, mut set) = (Index::default(), BTreeSet::new());
        let check = |order: &Index<u32>, set: &BTreeSet<(u32, SlotId)>| {
            assert_eq!(order.is_empty(), set.is_empty());
            assert!(order.iter().eq(set.iter().map(|(_, slot)| *slot)));
            for bound in [0, 1, 400, 2_048, 4_092, 5_000] {
                for excluded in [false, true] {
                    let from = if excluded { (bound, SlotId::MAX) } else { (bound, 0) };
                    let expected = set.range(from..).map(|(_, slot)| *slot);
                    assert!(
                        order.starting(bound, excluded, key_of).eq(expected),
                        "from {bound}, excluded: {excluded}"
                    );
                }
            }
            assert!(order.blocks.iter().all(|block| (1..=BLOCK).contains(&block.slots.len())));
        };
        check(&order, &set);
        for slot in shuffled(COUNT) {
            order.insert(key_of(slot), slot, key_of);
            set.insert((key_of(slot), slot));
        }
        check(&order, &set);
        for (step, slot) in shuffled(COUNT).enumerate() {
            order.remove(key_of(slot), slot);
            set.remove(&(key_of(slot), slot));
            if step % 500 == 0 {
                check(&order, &set);
                assert!(
                    order.blocks.len() <= 2 + 4 * set.len() / (BLOCK / 2),
                    "blocks that are nearly empty are joined"
                );
            }
        }
        check(&order, &set);
    }

    #[test]
    fn what_arrives_in_falling_order_fills_its_blocks_too_and_what_goes_in_rising_order_leaves_few()
    {
        let mut order = Index::default();
        (0..128)
            .chain((10_000..20_000).rev())
            .for_each(|slot| order.insert(u64::from(slot), slot, u64::from));
        assert!(order.iter().eq((0..128).chain(10_000..20_000)));
        assert!(order.blocks.len() <= 2 + 10_000 / (BLOCK / 2), "{}", order.blocks.len());
        // Of each ten one is left.
        (10_000..20_000)
            .filter(|slot| slot % 10 > 0)
            .for_each(|slot| order.remove(u64::from(slot), slot));
        assert_eq!(order.iter().count(), 1_128);
        assert!(order.blocks.len() <= 2 + 4 * 1_128 / (BLOCK / 2), "{}", order.blocks.len());
    }

    #[test]
    fn what_arrives_in_order_fills_its_blocks() {
        let mut order = Index::default();
        (0..10_000).for_each(|slot| order.insert(u64::from(slot), slot, u64::from));
        assert!(order.iter().eq(0..10_000));
        assert_eq!(order.blocks.len(), 10_000_usize.div_ceil(BLOCK));
    }
}
