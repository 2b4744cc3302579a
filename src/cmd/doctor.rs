//! `evp doctor`: what is wrong, and what to do about it.

use std::sync::Arc;

use super::context::Context;
use super::error::{CmdError, CmdResult, Finish, Kind};
use super::ui::{Output, Ui};
use crate::jobs::doctor::{DoctorReport, Health, examine};
use crate::ports::SystemClock;
use crate::settings::Span;
use crate::wire;

/// Look at everything this profile needs; exit 69 where something is not reachable, 10 where
/// something weakens the promise
///
/// For each dependency: whether it answers, its version, and what its settings do to the promise
/// that an acknowledged event is durable and counted once. Every finding says what to do. Changes
/// nothing but a probe object in the archive's bucket.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  evp doctor
  evp doctor --profile cluster -o json | jq '.diagnoses[].symptoms[]'")]
pub(super) struct Doctor {
    /// How long a dependency may take to answer
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = super::ask::span)]
    timeout: Span,
}

impl Doctor {
    pub(super) fn run(self, context: &Context) -> CmdResult {
        let loaded = context.loaded()?;
        context.tell_notes(loaded);
        let settings = Arc::new(loaded.settings.clone());
        context.start_logs(&settings.telemetry, "error")?;
        let report = context.block_on(async |_cancel| {
            let doctors = wire::doctors(&settings)?;
            Ok(examine(&doctors, &settings, &SystemClock, self.timeout.0).await)
        })?;
        context.ui.show(&report, |ui| print(ui, &report))?;
        match report.health {
            Health::Well => Ok(Finish::Done),
            Health::Unhealthy => {
                Err(CmdError::new(Kind::Unhealthy, "something weakens the promise; see above"))
            }
            Health::Unreachable => {
                Err(CmdError::new(Kind::Unavailable, "something is not reachable; see above"))
            }
        }
    }
}

fn print(ui: &Ui, report: &DoctorReport) -> Result<(), CmdError> {
    if ui.output() != Output::Csv {
        let rows = report.diagnoses.iter().map(|diagnosis| {
            let state = match (diagnosis.reachable, diagnosis.symptoms.is_empty()) {
                (false, _) => "unreachable",
                (true, true) => "well",
                (true, false) => "see below",
            };
            vec![
                diagnosis.dependency.clone(),
                diagnosis.address.clone(),
                diagnosis.version.clone().unwrap_or_else(|| "-".to_owned()),
                state.to_owned(),
            ]
        });
        ui.table(&["dependency", "address", "version", "state"], rows)?;
    }
    let symptoms = report.diagnoses.iter().flat_map(|diagnosis| {
        diagnosis.symptoms.iter().map(|symptom| (&diagnosis.dependency, symptom))
    });
    if ui.output() == Output::Csv {
        let rows = symptoms.map(|(dependency, symptom)| {
            vec![
                dependency.clone(),
                symptom.severity.as_str().to_owned(),
                symptom.code.clone(),
                symptom.what.clone(),
                symptom.advice.clone(),
            ]
        });
        return ui.table(&["dependency", "severity", "code", "what", "advice"], rows);
    }
    for (dependency, symptom) in symptoms {
        let (severity, what) = (symptom.severity.as_str(), &symptom.what);
        ui.line(&format!("\n{severity}: {dependency}: {what}\n  do: {}", symptom.advice))?;
    }
    Ok(())
}
