//! What is printed: figures of rounds beside their floor, the ratio's median and worst round, and
//! what it was to be.

use crate::machine;

/// Figures of rounds.
#[derive(Debug, Default, Clone)]
pub struct Rounds(Vec<f64>);

impl Rounds {
    pub fn add(&mut self, figure: f64) {
        self.0.push(figure);
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
        (sorted[last / 2] + sorted[last.div_ceil(2)]) / 2.0
    }

    pub fn least(&self) -> f64 {
        self.sorted().first().copied().unwrap_or(f64::NAN)
    }

    pub fn most(&self) -> f64 {
        self.sorted().last().copied().unwrap_or(f64::NAN)
    }
}

impl From<f64> for Rounds {
    fn from(figure: f64) -> Self {
        Self(vec![figure])
    }
}

/// What a figure is to be; the second one is the aim, where there is one.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    AtLeast(f64, Option<f64>),
    AtMost(f64, Option<f64>),
}

impl Goal {
    /// That of the rounds which counts.
    fn worst(self, rounds: &Rounds) -> f64 {
        match self {
            Self::AtLeast(..) => rounds.least(),
            Self::AtMost(..) => rounds.most(),
        }
    }

    fn columns(self) -> (String, String) {
        let (sign, bound, aim) = match self {
            Self::AtLeast(bound, aim) => ("", bound, aim),
            Self::AtMost(bound, aim) => ("≤ ", bound, aim),
        };
        let shown = |bound: f64| format!("{sign}{}", figure(bound));
        (shown(bound), aim.map(shown).unwrap_or_default())
    }

    /// Without a figure nothing is met.
    fn verdict(self, rounds: &Rounds) -> &'static str {
        let worst = self.worst(rounds);
        let holds = |bound: f64| match self {
            Self::AtLeast(..) => worst >= bound,
            Self::AtMost(..) => worst <= bound,
        };
        let (Self::AtLeast(bound, aim) | Self::AtMost(bound, aim)) = self;
        match aim {
            Some(aim) if holds(aim) => "yes, and the aim",
            _ if holds(bound) => "yes",
            _ => "**no**",
        }
    }
}

/// A line of the table.
#[derive(Debug)]
pub struct Row {
    what: String,
    goal: Goal,
    ours: Rounds,
    /// What stands beside it, its figures, and ours over them.
    beside: Option<(String, Rounds, Rounds)>,
}

impl Row {
    /// A figure that is judged by its ratio to another one.
    pub fn ratio(what: impl Into<String>, against: &str, compared: Compared, goal: Goal) -> Self {
        let Compared { ours, beside, ratios } = compared;
        Self { what: what.into(), goal, ours, beside: Some((against.to_owned(), beside, ratios)) }
    }

    /// A figure that is judged by itself.
    pub fn figure(what: impl Into<String>, ours: Rounds, goal: Goal) -> Self {
        Self { what: what.into(), goal, ours, beside: None }
    }

    fn print(&self) {
        let (bound, aim) = self.goal.columns();
        let ours = figure(self.ours.median());
        let (against, beside, median, judged) = match &self.beside {
            Some((against, beside, ratios)) => {
                let median = format!("**{:.2}**", ratios.median());
                (against.as_str(), figure(beside.median()), median, ratios)
            }
            None => ("", String::new(), String::new(), &self.ours),
        };
        let worst = self.goal.worst(judged);
        let worst = if self.beside.is_some() { format!("{worst:.2}") } else { figure(worst) };
        let verdict = self.goal.verdict(judged);
        println!(
            "| {} | {ours} | {against} | {beside} | {median} | {worst} | {bound} | {aim} | {verdict} |",
            self.what
        );
    }
}

/// Ours, what stands beside it in the same round, and their ratio.
#[derive(Debug, Default, Clone)]
pub struct Compared {
    pub ours: Rounds,
    pub beside: Rounds,
    pub ratios: Rounds,
}

impl Compared {
    pub fn add(&mut self, ours: f64, beside: f64) {
        self.ours.add(ours);
        self.beside.add(beside);
        self.ratios.add(ours / beside);
    }
}

/// What a part has to say.
#[derive(Debug, Default)]
pub struct Report {
    pub rows: Vec<Row>,
    /// Further figures of the same rounds, none of them a goal.
    pub details: Vec<String>,
    /// How it was measured, and what its floor is.
    pub note: &'static str,
    pub has_failed: bool,
    /// Per cent of the machine's time that its host took meanwhile.
    pub steal: f64,
}

impl Report {
    /// Of a part that did not come to its end; why is on stderr.
    pub fn failed(name: &str) -> Self {
        let details = vec![format!("{name} FAILED: nothing of it was measured")];
        Self { details, has_failed: true, ..Self::default() }
    }
}

const COLUMNS: [&str; 9] = [
    "what",
    "evp, median",
    "against",
    "its median",
    "ratio, median",
    "worst round",
    "at least",
    "aim",
    "met",
];

/// The table, then what else was seen, then how it was measured.
pub fn print(reports: &[(&str, Report)]) {
    if reports.iter().any(|(_, report)| !report.rows.is_empty() || report.has_failed) {
        heading("", &COLUMNS);
    }
    for (name, report) in reports {
        if report.has_failed {
            println!("| {name} | FAILED | | | | | | | **no** |");
        }
        report.rows.iter().for_each(Row::print);
    }
    for (name, report) in reports {
        println!("\n{name} (steal {:.1} %)\n", report.steal);
        report.details.iter().for_each(|line| println!("{line}"));
        if !report.note.is_empty() {
            println!("\n{}", report.note);
        }
    }
    println!("\n{}", machine::HOW);
}

pub fn heading(title: &str, columns: &[&str]) {
    println!("\n{}", head(title, columns));
}

/// The head of a table as text.
pub fn head(title: &str, columns: &[&str]) -> String {
    let title = if title.is_empty() { String::new() } else { format!("{title}\n\n") };
    format!("{title}| {} |\n|{}", columns.join(" | "), "---|".repeat(columns.len()))
}

/// A number as people read it.
pub fn figure(number: f64) -> String {
    if number.is_nan() {
        "none".to_owned()
    } else if number >= 1000.0 || number == 0.0 {
        grouped(number)
    } else if number >= 100.0 {
        format!("{number:.0}")
    } else if number >= 10.0 {
        format!("{number:.1}")
    } else {
        format!("{number:.2}")
    }
}

/// A number with a comma before every third digit.
pub fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
