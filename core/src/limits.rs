//! How much the holder of a key, or of a code, may ask, and how much it has.
//!
//! What counts is a [`Meter`]: a state machine without I/O and without a clock, to which moments come in as arguments. A request is
//! counted when it is let in, and tokens are reserved for it then: what the prompt has, and what the answer may have. Its [`Account`]
//! gives back at its end what was not used, however it ended.
//!
//! A [`Holder`] is whoever has limits. A request may have several; all of them let it in, or none counts it.

mod account;
mod budget;
mod cost;
mod grant;
mod holder;
mod meter;
mod moment;
mod recent;
mod refusal;

pub(crate) use self::{
    account::{Account, Admitted, admit},
    cost::{Cost, Tokens},
    grant::{Grant, Limits},
    holder::{Gauge, Holder, HolderKind},
    meter::{Meter, SavedMeter},
    moment::Moment,
};

#[cfg(test)]
mod tests;
