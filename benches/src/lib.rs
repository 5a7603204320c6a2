//! ouzel and its peers at the same work: engines, cases, and the programs that run one of each.
//!
//! | module | what it is |
//! |---|---|
//! | [`cell`] | `ouzel-cell`: one [`case`] on one [`engine`], in a process of its own |
//! | [`measure`] | how much a case does, and what a run found |
//! | [`steps`] | `ouzel-steps`: instructions and atomic read-modify-writes per operation, stepped |
//! | [`place`] | where an echo server is, and how a client gets there |
//! | [`work`] | what the tasks of a case share |
//! | [`cli`] | the command line of `ouzel-cell` and `ouzel-cell-counted` |
//! | [`echo`] | `ouzel-echo`: drives an echo server and checks every byte it answers |
//! | [`heap`] | an allocator that counts |
//! | [`load`] | `ouzel-load`: drives a memcached-protocol server and checks every byte it answers |

pub mod case;
pub mod cell;
pub mod cli;
pub mod echo;
pub mod engine;
pub mod heap;
pub mod load;
pub mod measure;
pub mod place;
pub mod steps;
pub mod work;
