//! Questions before what can't be undone.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::Context;

/// Asks on a terminal; where there is nobody to ask, the answer is yes.
pub(super) fn confirmed(question: &str, is_answered: bool) -> anyhow::Result<bool> {
    if is_answered || !io::stdin().is_terminal() {
        return Ok(true);
    }
    eprint!("{question} [y/N] ");
    io::stderr().flush().context("can't ask")?;
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .context("can't read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
