//! A Llama-family model on this machine's processor, from a GGUF file: a conversation in, an answer out, token by token.
//!
//! From the outside in:
//!
//! - `tokenizer`: from a text to tokens, and back;
//! - `model`: the passes through the transformer; `memory`: what it keeps of each token;
//! - `matrix`, `activation`, `kernel`, `vector`: numbers in four and eight bits, and the vector instructions that multiply them;
//!   `pool` and `disjoint`: threads that share that work; `pages`: where the weights lie;
//! - `gguf`: the file.

mod activation;
mod disjoint;
mod gguf;
mod half;
mod kernel;
mod matrix;
mod memory;
mod model;
mod pages;
mod pool;
mod priority;
mod tokenizer;
mod vector;
