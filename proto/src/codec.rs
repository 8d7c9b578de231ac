//! The codec of the generated clients and servers.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::{BufferSettings, Codec};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// Bytes that a call's encoder and decoder set aside. tonic's default of 8 KiB each is most of what a held stream costs, and
/// a chunk is some hundred bytes; buffers grow where a message is larger.
const BUFFER_SIZE: usize = 1024;

/// Bytes after which encoded messages are handed on rather than gathered further; tonic's default.
const YIELD_THRESHOLD: usize = 32 * 1024;

/// Protobuf by prost, with buffers that fit many quiet streams.
#[derive(Debug, Clone, Copy)]
pub struct ContractCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for ContractCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for ContractCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::new(BUFFER_SIZE, YIELD_THRESHOLD))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(BufferSettings::new(BUFFER_SIZE, YIELD_THRESHOLD))
    }
}
