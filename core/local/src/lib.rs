//! A Llama-family model on this machine's processor, from a GGUF file: a conversation in, an answer out, token by token.
//!
//! [`Engine`] is all there is to see from outside. Inside, from the outside in:
//!
//! - `engine`: the queue, the model's thread, answers that move together, memory that conversations share;
//! - `template` and `tokenizer`: from a conversation to tokens, and back to text; `sampler` and `stop`: which token is next,
//!   and where an answer ends;
//! - `model`: the passes through the transformer; `memory`: what it keeps of each token;
//! - `matrix`, `activation`, `kernel`, `vector`: numbers in four and eight bits, and the vector instructions that multiply them;
//!   `pool` and `disjoint`: threads that share that work; `pages`: where the weights lie;
//! - `gguf`: the file.
//!
//! It knows nothing of gRPC, of HTTP, or of an async runtime: an answer comes through a channel that both threads and tasks can
//! wait for.

mod activation;
mod disjoint;
mod engine;
mod gguf;
mod half;
mod kernel;
mod matrix;
mod memory;
mod model;
mod pages;
mod pool;
mod priority;
mod sampler;
mod stop;
mod template;
mod tokenizer;
mod vector;

pub use engine::{
    Done, Engine, Event, FinishReason, Generation, Interrupted, LoadError, Options, Request,
    StartError, Usage,
};
pub use kernel::UnsupportedProcessor;
pub use priority::Priority;
pub use sampler::Sampling;
pub use template::{Message, Role, TemplateError};

#[cfg(test)]
mod reference;
