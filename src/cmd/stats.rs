//! `evp stats`: the numbers of one campaign or of all.

use std::time::Duration;

use crate::jobs::stats::{Stats as Job, StatsRequest, StatsResponse};
use crate::model::Timestamp;
use crate::ports::{Breakdown, TimeRange, Uniques};

use super::ask::{RangeArgs, ask, or_dash};
use super::context::Context;
use super::error::{CmdError, CmdResult, Finish};
use super::ui::Ui;

/// Show the numbers of a campaign or of all
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp stats
  evp stats summer-sale --hours 24
  evp stats summer-sale --by country
  evp stats --by ip --from 2026-01-01 --to 2026-02-01 -o json")]
pub(super) struct Stats {
    /// One campaign; all where absent
    #[arg(value_name = "CAMPAIGN")]
    campaign: Option<String>,
    /// Group by this
    #[arg(long, value_enum)]
    by: Option<By>,
    /// The last so many hours; all time where neither this nor --from nor --to is given
    #[arg(long, value_name = "N", conflicts_with_all = ["from", "to"],
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    hours: Option<u64>,
    #[command(flatten)]
    range: RangeArgs,
    /// At most so many groups
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    limit: u64,
}

/// What rows can be grouped by.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum By {
    Country,
    Device,
    Ip,
    Hour,
    Campaign,
}

impl By {
    const fn breakdown(self) -> Breakdown {
        match self {
            Self::Country => Breakdown::Country,
            Self::Device => Breakdown::Device,
            Self::Ip => Breakdown::Ip,
            Self::Hour => Breakdown::Hour,
            Self::Campaign => Breakdown::Campaign,
        }
    }

    const fn header(self) -> &'static str {
        match self {
            Self::Country => "country",
            Self::Device => "device",
            Self::Ip => "ip",
            Self::Hour => "hour",
            Self::Campaign => "campaign",
        }
    }
}

impl Stats {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let range = match self.hours {
            Some(hours) => Some(last_hours(hours)),
            None => self.range.range()?,
        };
        let header = self.by.map_or("campaign", By::header);
        let request = StatsRequest {
            campaign_id: self.campaign.clone(),
            range,
            by: self.by.map(By::breakdown),
            limit: self.limit,
        };
        let answer = ask::<Job>(context, "stats", request)?;
        let is_unknown = self.campaign.is_some() && answer.campaign.is_none();
        context.ui.show(&answer, |ui| print(ui, header, &answer, self.campaign.as_deref()))?;
        Ok(Finish::from_good(!is_unknown))
    }
}

fn last_hours(hours: u64) -> TimeRange {
    use crate::ports::Clock;
    let now = crate::ports::SystemClock.now().plus(Duration::from_millis(1));
    let from: Timestamp = now.minus(Duration::from_secs(hours.saturating_mul(3600)));
    TimeRange { from, to: now }
}

fn uniques(uniques: Uniques) -> String {
    if uniques.approximate { format!("~{}", uniques.count) } else { uniques.count.to_string() }
}

fn print(
    ui: &Ui,
    header: &str,
    answer: &StatsResponse,
    campaign: Option<&str>,
) -> Result<(), CmdError> {
    if let Some(name) = campaign {
        let Some(stats) = &answer.campaign else {
            ui.note(format!("{name}: campaign not found"));
            return Ok(());
        };
        let headers =
            ["campaign", "events", "unique users", "impressions", "clicks", "conversions"];
        let row = vec![
            name.to_owned(),
            stats.total_events.to_string(),
            uniques(stats.unique_users),
            stats.impressions.to_string(),
            stats.clicks.to_string(),
            stats.conversions.to_string(),
        ];
        // One table a document, so that CSV stays CSV: the groups where they were asked for.
        if answer.groups.is_empty() {
            return ui.table(&headers, [row]);
        }
        if ui.output() == super::ui::Output::Table {
            ui.table(&headers, [row])?;
        }
    }
    let rows = answer.groups.iter().map(|group| {
        vec![or_dash(group.key.as_deref()), group.events.to_string(), uniques(group.unique_users)]
    });
    ui.table(&[header, "events", "unique users"], rows)?;
    if answer.truncated {
        ui.note("there are more groups; --limit shows them");
    }
    Ok(())
}
