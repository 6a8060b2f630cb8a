//! A sorted index of the slots of a map's records. An index entry takes four bytes, because the
//! sort key is read from the record.
//!
//! The index is a list of blocks, each a sorted list of slots with a lower bound of its keys.
//! Almost all insertions are appends; the others go into the middle of one block. An insertion
//! moves slots only within a block and to the next one.
//!
//! Invariants: keys ascend from slot to slot and from block to block, with ties broken by slot; no
//! block is empty.

/// The maximum number of slots in a block. It limits the number of slots that an insertion moves.
const BLOCK: usize = 128;

/// The position of a record in the slab.
pub(super) type SlotId = u32;

#[derive(Clone, Debug)]
pub(super) struct Index<K> {
    blocks: Vec<Block<K>>,
}

#[derive(Clone, Debug)]
struct Block<K> {
    /// A lower bound: not above the first slot of this block, and above all slots of the blocks
    /// before.
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

    /// Inserts `slot`, whose record has this key.
    pub(super) fn insert(&mut self, key: K, slot: SlotId, key_of: impl Fn(SlotId) -> K) {
        let at = (key, slot);
        let of = |slot: SlotId| (key_of(slot), slot);
        // The common case first: an append needs no search.
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
            // Without this, insertions in descending order behind a full block would make a block
            // each.
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

    /// Removes `slot`, which was inserted with this key.
    pub(super) fn remove(&mut self, key: K, slot: SlotId) {
        let number = self.block_of((key, slot));
        let (block, index) = self
            .blocks
            .get_mut(number)
            .and_then(|block| {
                // A scan of the block: the record may already have another key.
                block.slots.iter().position(|held| *held == slot).map(|index| (block, index))
            })
            .expect("a removed slot was inserted before");
        block.slots.remove(index);
        if block.slots.is_empty() {
            self.blocks.remove(number);
        } else {
            // Joining only nearly empty neighbours keeps a block from being split again right
            // after.
            self.join(number);
            number.checked_sub(1).into_iter().for_each(|before| self.join(before));
        }
    }

    /// Joins this block with the next one, if together they fill at most half a block.
    fn join(&mut self, number: usize) {
        if let [block, next, ..] = &mut self.blocks[number..]
            && block.slots.len() + next.slots.len() <= BLOCK / 2
        {
            block.slots.append(&mut next.slots);
            self.blocks.remove(number + 1);
        }
    }

    /// Iterates over the slots in order, starting at the first key that is at least `from` (with
    /// `excluded`: above `from`).
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

    /// Iterates over all slots in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = SlotId> {
        self.blocks.iter().flat_map(|block| &block.slots).copied()
    }

    /// Returns the number of the block that contains, or would contain, `at`; 0 if there are no
    /// blocks.
    fn block_of(&self, at: (K, SlotId)) -> usize {
        self.blocks.partition_point(|block| block.from <= at).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Iterates over the numbers below `count` in a shuffled order that is the same in each run.
    fn shuffled(count: u32) -> impl Iterator<Item = u32> {
        // A step coprime to the modulus visits every number once.
        (0..u64::from(count))
            .map(move |step| ((step * 7_919 + 13) % u64::from(count)) as u32)
            .inspect(move |number| assert!(*number < count))
    }

    #[test]
    fn index_matches_sorted_set_of_pairs() {
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
                    "nearly empty blocks are joined"
                );
            }
        }
        check(&order, &set);
    }

    #[test]
    fn descending_inserts_and_ascending_removals_keep_blocks_full() {
        let mut order = Index::default();
        (0..128)
            .chain((10_000..20_000).rev())
            .for_each(|slot| order.insert(u64::from(slot), slot, u64::from));
        assert!(order.iter().eq((0..128).chain(10_000..20_000)));
        assert!(order.blocks.len() <= 2 + 10_000 / (BLOCK / 2), "{}", order.blocks.len());
        // One in ten remains.
        (10_000..20_000)
            .filter(|slot| slot % 10 > 0)
            .for_each(|slot| order.remove(u64::from(slot), slot));
        assert_eq!(order.iter().count(), 1_128);
        assert!(order.blocks.len() <= 2 + 4 * 1_128 / (BLOCK / 2), "{}", order.blocks.len());
    }

    #[test]
    fn ascending_inserts_fill_blocks() {
        let mut order = Index::default();
        (0..10_000).for_each(|slot| order.insert(u64::from(slot), slot, u64::from));
        assert!(order.iter().eq(0..10_000));
        assert_eq!(order.blocks.len(), 10_000_usize.div_ceil(BLOCK));
    }
}
