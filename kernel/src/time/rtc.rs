//! The time of day from the MC146818 clock and its CMOS memory. Pure: registers are read through a function.

// Registers.
const SECONDS: u8 = 0x00;
const MINUTES: u8 = 0x02;
const HOURS: u8 = 0x04;
const DAY: u8 = 0x07;
const MONTH: u8 = 0x08;
const YEAR: u8 = 0x09;
const STATUS_A: u8 = 0x0a;
const STATUS_B: u8 = 0x0b;

/// In status A: the clock is being advanced, the registers are in between.
const UPDATING: u8 = 0x80;
// In status B.
const HOURS_24: u8 = 0x02;
const BINARY: u8 = 0x04;
/// In the hours, when they run to twelve.
const AFTERNOON: u8 = 0x80;
/// Attempts until two readings must have agreed.
const ATTEMPTS: usize = 1000;

/// Seconds since 1970-01-01 00:00 UTC. `century` is the register that ACPI names for it, or 0. `None` if there
/// is no clock, or none that makes sense.
pub fn read(century: u8, mut register: impl FnMut(u8) -> u8) -> Option<u64> {
    let mut last = None;
    for _ in 0..ATTEMPTS {
        if register(STATUS_A) & UPDATING != 0 {
            last = None;
            continue;
        }
        let now = [SECONDS, MINUTES, HOURS, DAY, MONTH, YEAR].map(&mut register);
        if last == Some(now) {
            let centuries = if century == 0 { None } else { Some(register(century)) };
            return seconds(now, centuries, register(STATUS_B));
        }
        last = Some(now);
    }
    None
}

fn seconds(raw: [u8; 6], century: Option<u8>, status: u8) -> Option<u64> {
    let decode = |value: u8| if status & BINARY != 0 { value } else { (value >> 4) * 10 + (value & 15) };
    let [second, minute, hours, day, month, year] = raw;
    let afternoon = status & HOURS_24 == 0 && hours & AFTERNOON != 0;
    let mut hour = decode(hours & !AFTERNOON);
    if status & HOURS_24 == 0 {
        hour = hour % 12 + if afternoon { 12 } else { 0 };
    }
    let [second, minute, day, month] = [second, minute, day, month].map(decode);
    if second > 60 || minute > 59 || hour > 23 || !(1..=31).contains(&day) || !(1..=12).contains(&month) {
        return None;
    }
    let century = century.map(decode).filter(|c| (19..=25).contains(c)).unwrap_or(20);
    let year = u64::from(century) * 100 + u64::from(decode(year));
    let days = days_before(year, month.into(), day.into())?;
    Some(((days * 24 + u64::from(hour)) * 60 + u64::from(minute)) * 60 + u64::from(second))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years begin in March here, so that the leap day
/// is their last.
fn days_before(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1;
    // Days from 0000-03-01 to 1970-01-01.
    days.checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(raw: [u8; 6], century: u8, status: u8) -> impl FnMut(u8) -> u8 {
        move |register| match register {
            SECONDS => raw[0],
            MINUTES => raw[1],
            HOURS => raw[2],
            DAY => raw[3],
            MONTH => raw[4],
            YEAR => raw[5],
            STATUS_B => status,
            0x32 => century,
            _ => 0,
        }
    }

    #[test]
    fn reads_decimal_and_binary_clocks() {
        // 2026-11-22 16:04:05 UTC
        let expected = Some(1_795_363_445);
        assert_eq!(read(0x32, clock([0x05, 0x04, 0x16, 0x22, 0x11, 0x26], 0x20, HOURS_24)), expected);
        assert_eq!(read(0, clock([5, 4, 16, 22, 11, 26], 0xff, HOURS_24 | BINARY)), expected);
        assert_eq!(read(0, clock([0x05, 0x04, 0x84, 0x22, 0x11, 0x26], 0, 0)), expected);
    }

    #[test]
    fn knows_the_calendar() {
        assert_eq!(days_before(1970, 1, 1), Some(0));
        assert_eq!(days_before(2000, 2, 29), Some(11_016));
        assert_eq!(days_before(2000, 3, 1), Some(11_017));
        assert_eq!(days_before(2100, 3, 1), Some(47_541));
        assert_eq!(days_before(1969, 12, 31), None);
    }

    #[test]
    fn twelve_o_clock_is_noon_or_midnight() {
        let at = |hours| read(0, clock([0, 0, hours, 0x01, 0x01, 0x70], 0, 0)).map(|s| s / 3600 % 24);
        assert_eq!(at(0x12), Some(0));
        assert_eq!(at(0x92), Some(12));
    }

    #[test]
    fn no_clock_is_none() {
        assert_eq!(read(0x32, |_| 0xff), None);
        assert_eq!(read(0x32, |_| 0), None);
        let mut count = 0_u8;
        let unstable = |register: u8| {
            count = count.wrapping_add(1);
            if register == STATUS_A { 0 } else { count }
        };
        assert_eq!(read(0, unstable), None);
    }
}
