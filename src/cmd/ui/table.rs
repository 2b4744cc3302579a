//! Rows as columns for people, or as CSV.

use comfy_table::{Table, presets};

/// Columns: with borders on a terminal, plain and grep-able elsewhere.
pub(super) fn columns<I>(headers: &[&str], rows: I, borders: bool) -> String
where
    I: IntoIterator<Item = Vec<String>>,
{
    let mut table = Table::new();
    table.load_style(if borders { presets::UTF8_HORIZONTAL_ONLY } else { presets::NOTHING });
    table.set_header(headers.iter().copied());
    table.add_rows(rows);
    if !borders {
        // Without borders two spaces part the columns and no line ends in blanks.
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
    }
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// CSV by RFC 4180, with a header line where there are headers.
pub fn csv<I>(headers: &[&str], rows: I) -> String
where
    I: IntoIterator<Item = Vec<String>>,
{
    let mut text = String::new();
    if !headers.is_empty() {
        push_row(&mut text, headers.iter().copied());
    }
    for row in rows {
        push_row(&mut text, row.iter().map(String::as_str));
    }
    text
}

fn push_row<'a>(text: &mut String, cells: impl Iterator<Item = &'a str>) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            text.push(',');
        }
        if cell.contains([',', '"', '\n', '\r']) {
            text.push('"');
            text.push_str(&cell.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(cell);
        }
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        vec![vec!["a,b".into(), "1".into()], vec!["say \"x\"".into(), "22".into()]]
    }

    #[test]
    fn plain_columns_line_up_and_have_no_borders() {
        let text = columns(&["name", "count"], rows(), false);
        assert_eq!(text, "name     count\na,b      1\nsay \"x\"  22\n");
    }

    #[test]
    fn csv_quotes_what_it_must() {
        let text = csv(&["name", "count"], rows());
        assert_eq!(text, "name,count\n\"a,b\",1\n\"say \"\"x\"\"\",22\n");
    }
}
