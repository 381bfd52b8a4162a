//! Lists of processors, as `server-cpulist` and its kin have them: `0,2,4-7`, or `0-7:2` for each second one of them.

/// Processors beyond which no system goes.
const MOST: usize = 1 << 16;

/// The numbers in a list; `None` if it is none.
pub fn cpu_list(list: &[u8]) -> Option<Vec<usize>> {
    let list = std::str::from_utf8(list).ok()?;
    let ranges: Option<Vec<_>> = list.split(',').map(range).collect();
    Some(ranges?.into_iter().flatten().collect())
}

fn range(part: &str) -> Option<impl Iterator<Item = usize>> {
    let (range, step) = match part.split_once(':') {
        // A step is that of a range.
        Some((range, step)) if range.contains('-') => (range, number(step)?),
        Some(_) => return None,
        None => (part, 1),
    };
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last && step > 0).then(|| (first..=last).step_by(step))
}

fn number(digits: &str) -> Option<usize> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten().filter(|number| *number < MOST)
}

#[cfg(test)]
mod tests {
    use super::cpu_list;

    #[test]
    fn lists_of_processors() {
        for (list, numbers) in [
            ("0", &[0][..]),
            ("0,2,5", &[0, 2, 5]),
            ("0,2-4", &[0, 2, 3, 4]),
            ("0-7:2", &[0, 2, 4, 6]),
            ("1,8-11:3,3-3", &[1, 8, 11, 3]),
        ] {
            assert_eq!(cpu_list(list.as_bytes()).as_deref(), Some(numbers), "{list}");
        }
        for list in [
            "",
            "a",
            "0,",
            ",0",
            "3-1",
            "0-7:0",
            "0:2",
            "-1",
            "0-",
            "1 2",
            "+1",
            "99999999999999999999",
            "0-99999999",
        ] {
            assert_eq!(cpu_list(list.as_bytes()), None, "{list}");
        }
        assert_eq!(cpu_list(b"\xff"), None);
    }
}
