//! What is printed: a ratio's median and worst round beside its floor and goal.

/// Figures of rounds.
#[derive(Debug, Default)]
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
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    pub fn least(&self) -> f64 {
        self.sorted().first().copied().unwrap_or(f64::NAN)
    }
}

/// A line of the table of ratios.
pub fn ratio(what: &str, ours: &Rounds, floor: &Rounds, ratios: &Rounds, goal: &str) {
    println!(
        "| {what} | {} | {} | **{:.2}** | {:.2} | {goal} |",
        grouped(ours.median()),
        grouped(floor.median()),
        ratios.median(),
        ratios.least(),
    );
}

pub fn heading(title: &str, columns: &[&str]) {
    println!("\n{title}\n\n| {} |", columns.join(" | "));
    println!("|{}", "---|".repeat(columns.len()));
}

pub const RATIO_COLUMNS: [&str; 6] =
    ["what", "evp, median", "beside it, median", "ratio, median", "ratio, worst round", "goal"];

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
