//! `evp blacklist check`.

use std::net::IpAddr;

use crate::cmd::ask::ask;
use crate::cmd::context::Context;
use crate::cmd::error::{CmdResult, Finish};
use crate::jobs::blacklist::{Blacklist, BlacklistRequest, BlacklistResponse};

/// Say whether an address is blocked now; exit 3 where it is free
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp blacklist check 203.0.113.7
  evp blacklist check 203.0.113.7 && echo blocked")]
pub(super) struct Check {
    /// An IP address
    address: IpAddr,
}

impl Check {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let request = BlacklistRequest::Check { address: self.address };
        let answer = ask::<Blacklist>(context, "blacklist", request)?;
        let BlacklistResponse::Checked { address, rules, trusted_proxy } = &answer else {
            return Ok(Finish::Done);
        };
        let is_blocked = !rules.is_empty() && trusted_proxy.is_none();
        context.ui.show(&answer, |ui| {
            if let Some(network) = trusted_proxy {
                return ui.line(&format!(
                    "{address} is free: it is a trusted proxy ({network}), which no rule holds for"
                ));
            }
            if rules.is_empty() {
                return ui.line(&format!("{address} is free"));
            }
            ui.note(format!("{address} is blocked by"));
            ui.table(&super::HEADERS, rules.iter().map(super::cells))
        })?;
        Ok(Finish::from_good(is_blocked))
    }
}
