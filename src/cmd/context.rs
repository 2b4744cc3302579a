//! What every leaf command is given: the voice, the settings, and a runtime when it needs one.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::sync::Arc;

use crate::runtime::shutdown::{self, CancellationToken};
use crate::runtime::telemetry::start_logs;
use crate::settings::loader::{LoadError, Loaded, Request, Schema, load};
use crate::settings::{Environment, Settings, Telemetry};

use super::error::{CmdError, Kind};
use super::ui::{Color, Output, Ui};

/// Options that every command takes.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Start from the settings of this profile [env: EVP_PROFILE] [default: embedded]
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Read this settings file instead of those in /etc/evp, the user's and ./config
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set one setting, above every file and variable (can be repeated)
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Read variables from this file [env: EVP_ENV_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    /// The data directory [default: evp-data]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Form of what is printed
    #[arg(short, long, global = true, value_enum, default_value_t)]
    pub output: Output,
    /// Print data and warnings only
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Log more on stderr (can be repeated)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// When to colour
    #[arg(long, global = true, value_enum, default_value_t)]
    pub color: Color,
    /// Answer every question with yes
    #[arg(short, long, global = true)]
    pub yes: bool,
}

/// A setting that a command's own flag gives: its key, the value, the flag.
pub(super) type Flag = (&'static str, String, &'static str);

/// What a leaf command works with.
#[derive(Debug)]
pub struct Context {
    /// The voice.
    pub ui: Ui,
    globals: Globals,
    environment: Environment,
    loaded: OnceCell<Loaded>,
}

impl Context {
    /// A context; nothing is read yet.
    #[must_use]
    pub fn new(globals: Globals, environment: Environment) -> Self {
        let plain =
            environment.get("NO_COLOR").is_some() || environment.get("TERM") == Some("dumb");
        let ui = Ui::new(globals.output, globals.quiet, globals.color, plain);
        Self { ui, globals, environment, loaded: OnceCell::new() }
    }

    /// The options that every command takes.
    #[must_use]
    pub const fn globals(&self) -> &Globals {
        &self.globals
    }

    /// The environment.
    #[must_use]
    pub const fn environment(&self) -> &Environment {
        &self.environment
    }

    /// The settings, loaded at the first call.
    ///
    /// # Errors
    /// Exit 78 with every fault.
    pub fn settings(&self) -> Result<Arc<Settings>, CmdError> {
        Ok(Arc::new(self.loaded()?.settings.clone()))
    }

    /// The settings with their layers, loaded at the first call.
    ///
    /// # Errors
    /// Exit 78 with every fault.
    pub fn loaded(&self) -> Result<&Loaded, CmdError> {
        self.loaded_with(Vec::new())
    }

    /// The same, with settings that this command's own flags give.
    ///
    /// # Errors
    /// Exit 78 with every fault.
    pub(super) fn loaded_with(&self, flags: Vec<Flag>) -> Result<&Loaded, CmdError> {
        if let Some(loaded) = self.loaded.get() {
            return Ok(loaded);
        }
        let loaded = load(&self.request(flags))?;
        Ok(self.loaded.get_or_init(|| loaded))
    }

    /// Says what the operator should know of the settings; for commands about them and for servers,
    /// not for each command that reads a key.
    pub fn tell_notes(&self, loaded: &Loaded) {
        for note in &loaded.notes {
            self.ui.note(format!("note: {note}"));
        }
    }

    /// A command line that reaches the same installation: the options that chose it, as they were
    /// typed, and then the rest. No secret is repeated.
    #[must_use]
    pub(super) fn line(&self, rest: &str) -> String {
        let Globals { profile, config, env_file, data_dir, set, .. } = &self.globals;
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let schema = Schema::of_settings();
        let is_open = |set: &&String| {
            !schema.is_secret(set.split_once('=').map_or(set.as_str(), |(key, _)| key.trim()))
        };
        let one = [
            ("--profile", profile.clone()),
            ("--config", path(config)),
            ("--env-file", path(env_file)),
            ("--data-dir", path(data_dir)),
        ];
        let one = one.into_iter().filter_map(|(flag, value)| Some((flag, value?)));
        let many = set.iter().filter(is_open).map(|set| ("--set", set.clone()));
        let mut line = "evp".to_owned();
        for (flag, value) in one.chain(many) {
            line = format!("{line} {flag} {}", quoted(&value));
        }
        format!("{line} {rest}")
    }

    /// Starts logging at that level, or a louder one where `-v` asks for it.
    ///
    /// # Errors
    /// Exit 78 where the level is none.
    pub fn start_logs(&self, telemetry: &Telemetry, level: &str) -> Result<(), CmdError> {
        let log_level = match self.globals.verbose {
            0 => level,
            1 => "debug",
            _ => "trace",
        };
        let telemetry = Telemetry { log_level: log_level.to_owned(), ..telemetry.clone() };
        start_logs(&telemetry, self.ui.color())
            .map_err(|error| CmdError::caused(Kind::Config, "telemetry.log_level is none", error))
    }

    /// What settings are loaded from.
    #[must_use]
    pub(super) fn request(&self, mut flags: Vec<Flag>) -> Request {
        if let Some(directory) = &self.globals.data_dir {
            flags.push(("data_dir", directory.to_string_lossy().into_owned(), "--data-dir"));
        }
        Request {
            profile: self.globals.profile.clone(),
            config: self.globals.config.clone(),
            env_file: self.globals.env_file.clone(),
            set: self.globals.set.clone(),
            flags,
            environment: self.environment.clone(),
            directory: PathBuf::new(),
        }
    }

    /// Runs asynchronous work on a runtime made for it. The first interrupt cancels the token; the
    /// second ends the process at once with exit 130.
    ///
    /// # Errors
    /// What the work failed with.
    pub fn block_on<T, F>(&self, work: impl FnOnce(CancellationToken) -> F) -> Result<T, CmdError>
    where
        F: Future<Output = Result<T, CmdError>>,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("evp")
            .build()
            .map_err(|error| CmdError::caused(Kind::Failed, "cannot start the runtime", error))?;
        let result = runtime.block_on(async {
            let cancel = CancellationToken::new();
            shutdown::on_signals(cancel.clone())
                .map_err(|error| CmdError::caused(Kind::Failed, "cannot watch signals", error))?;
            work(cancel).await
        });
        // What still runs has lost its owner; the process does not wait for it.
        runtime.shutdown_background();
        result
    }
}

impl From<LoadError> for CmdError {
    fn from(error: LoadError) -> Self {
        Self::new(Kind::Config, error)
    }
}

/// A word as a shell takes it.
pub(super) fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_repeats_what_chose_the_installation_and_no_secret() {
        let line = |globals| Context::new(globals, Environment::default()).line("dlq ls");
        assert_eq!(line(Globals::default()), "evp dlq ls");
        let globals = Globals {
            profile: Some("cluster".to_owned()),
            config: Some("it's.toml".into()),
            data_dir: Some("../d 1".into()),
            set: vec!["redis.password=x".to_owned(), "groups.worker=w".to_owned()],
            ..Globals::default()
        };
        let said = line(globals);
        let wanted = "evp --profile cluster --config 'it'\\''s.toml' --data-dir '../d 1' \
                      --set groups.worker=w dlq ls";
        assert_eq!(said, wanted);
    }
}
