//! Compiles the contract in `proto/` to Rust, without a `protoc` on the machine.
//!
//! Run as the build script of the crate `llm2api-proto`, whose manifest names it; so all paths are relative to `proto/`.

use std::{env, error::Error, fs, path::PathBuf};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=llm2api");
    println!("cargo:rerun-if-changed=../build.rs");

    let mut protos: Vec<PathBuf> = fs::read_dir("llm2api/v1")?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    protos.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "proto")
    });
    protos.sort();

    let descriptors = protox::compile(&protos, ["."])?;
    // The same bytes serve reflection.
    let out_dir = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out_dir.join("descriptors.bin"), descriptors.encode_to_vec())?;

    tonic_prost_build::configure()
        .codec_path("crate::codec::ContractCodec")
        // What few deltas have must not make every delta large: events are moved and allocated for each chunk.
        .boxed("llm2api.v1.ChoiceDelta.logprobs")
        .boxed("llm2api.v1.ChoiceDelta.audio")
        .boxed("llm2api.v1.ChoiceDelta.function_call")
        .boxed("llm2api.v1.Usage.prompt_tokens_details")
        .boxed("llm2api.v1.Usage.completion_tokens_details")
        .emit_rerun_if_changed(false)
        .compile_fds(descriptors)?;
    Ok(())
}
