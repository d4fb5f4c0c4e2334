//! Finds the known name that a mistyped one was probably meant to be.

/// The candidate nearest to `word`, if one is near enough that a reader would agree.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A long word is nobody's slip of the finger, and the table below is quadratic.
    if word.chars().count() > 64 {
        return None;
    }
    let allowed = match word.chars().count() {
        0 => return None,
        1..=2 => 1,
        3..=5 => 2,
        _ => 3,
    };
    candidates
        .into_iter()
        .filter(|candidate| *candidate != word)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= allowed && *distance < candidate.chars().count()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The help text "did you mean ...?" for the nearest candidate.
pub fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(word, candidates).map(|candidate| format!("did you mean `{candidate}`?"))
}

/// Edit distance in which exchanging two neighbours counts as one edit.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let same = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + same);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_of_the_finger_finds_the_word_meant() {
        let steps = ["apply", "apply_async", "map", "join", "close"];
        assert_eq!(nearest("aply", steps), Some("apply"));
        assert_eq!(nearest("jion", steps), Some("join"));
        assert_eq!(nearest("aply_async", steps), Some("apply_async"));
    }

    #[test]
    fn a_word_unlike_all_finds_nothing() {
        assert_eq!(nearest("zebra", ["apply", "map"]), None);
        assert_eq!(nearest("x", ["i"]), None);
        assert_eq!(nearest(&"a".repeat(1 << 20), ["apply"]), None);
    }
}
