//! How several pages share the rows of a terminal: the longest are cut first.

/// Pages one below the other, an empty row between them, in so many rows at most if that is possible.
pub(super) fn share(pages: &[String], rows: usize) -> String {
    let pages: Vec<Vec<&str>> = pages.iter().map(|page| page.lines().collect()).collect();
    let rows = rows.saturating_sub(pages.len().saturating_sub(1));
    let longest = pages.iter().map(Vec::len).max().unwrap_or(0);
    let fits = |most: usize| pages.iter().map(|page| page.len().min(most)).sum::<usize>() <= rows;
    let most = (1..=longest).rev().find(|most| fits(*most)).unwrap_or(1);
    let mut left = rows.saturating_sub(pages.iter().map(|page| page.len().min(most)).sum());
    let cut: Vec<String> = pages
        .iter()
        .map(|page| {
            let more = usize::from(page.len() > most && left > 0);
            left -= more;
            head(page, most + more)
        })
        .collect();
    cut.join("\n")
}

/// The first lines; the last of them says how many are missing.
fn head(lines: &[&str], most: usize) -> String {
    let mut text = String::new();
    let whole = lines.len() <= most;
    let shown = if whole { lines.len() } else { most.saturating_sub(1).max(1) };
    for line in lines.iter().take(shown) {
        text.push_str(line);
        text.push('\n');
    }
    if !whole && most > 1 {
        text.push_str(&format!("  … {} more lines\n", lines.len() - shown));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(name: &str, lines: usize) -> String {
        (0..lines).map(|number| format!("{name}{number}\n")).collect()
    }

    #[test]
    fn what_fits_is_whole() {
        let pages = [page("a", 3), page("b", 2)];
        assert_eq!(share(&pages, 6), "a0\na1\na2\n\nb0\nb1\n");
        assert_eq!(share(&[], 5), "");
    }

    #[test]
    fn the_longest_is_cut() {
        let text = share(&[page("a", 30), page("b", 2)], 8);
        assert_eq!(text, "a0\na1\na2\na3\n  … 26 more lines\n\nb0\nb1\n");
    }

    #[test]
    fn equals_get_equal_shares_and_no_row_is_lost() {
        for rows in 4..20 {
            let text = share(&[page("a", 30), page("b", 30)], rows);
            assert_eq!(text.lines().count(), rows, "{text}");
        }
        let text = share(&[page("a", 30), page("b", 30)], 10);
        assert_eq!((text.matches('a').count(), text.matches('b').count()), (4, 3), "{text}");
    }

    #[test]
    fn a_tiny_terminal_has_headings() {
        assert_eq!(share(&[page("a", 9), page("b", 9)], 1), "a0\n\nb0\n");
    }
}
