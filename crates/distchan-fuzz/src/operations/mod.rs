//! Both machines by operations: a server with four channels, honest workers, and strangers who know the protocol. The bytes choose who does
//! what next, and which bytes of whom are changed on the way. The machines' own invariants are checked after every call; here it is checked
//! that no job has two outcomes, that an honest worker is given what was sent, and that in the end, when only honest workers are left, every
//! job has its outcome and every channel is finished.

mod end;
mod forge;
mod lane;
mod node;
mod pump;
mod stranger;
mod world;

use crate::operations::world::World;
use crate::script::Script;

/// More would be slow, and shows nothing that so many do not.
const STEPS: usize = 400;

/// Each step begins with a byte that says which one it is.
pub fn operations(data: &[u8]) {
    let mut script = Script::new(data);
    let mut world = World::new(&mut script);
    for _ in 0..STEPS {
        if script.is_over() {
            break;
        }
        world.step(&mut script);
    }
    world.finish();
}
