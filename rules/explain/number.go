package explain

import (
	"math/big"
	"strconv"
	"strings"
	"time"

	"accrue/rules/programme"
)

// grouped is a number with a comma before each three digits.
func grouped(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	whole, fraction, pointed := strings.Cut(digits, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if pointed {
		whole += "." + fraction
	}
	return sign + whole
}

func whole(n int64) string { return grouped(strconv.FormatInt(n, 10)) }

// decimalText is coefficient · 10^-digits without zeros at its end, but with at least some decimals where it has any.
func decimalText(coefficient int64, digits, atLeast int) string {
	text := strconv.FormatInt(coefficient, 10)
	if digits <= 0 {
		if coefficient != 0 {
			text += strings.Repeat("0", -digits)
		}
		return grouped(text)
	}
	sign := ""
	if coefficient < 0 {
		sign, text = "-", text[1:]
	}
	if missing := digits + 1 - len(text); missing > 0 {
		text = strings.Repeat("0", missing) + text
	}
	point := len(text) - digits
	fraction := strings.TrimRight(text[point:], "0")
	if fraction == "" {
		return grouped(sign + text[:point])
	}
	if missing := atLeast - len(fraction); missing > 0 {
		fraction += strings.Repeat("0", missing)
	}
	return grouped(sign + text[:point] + "." + fraction)
}

// times is a fraction multiplied by a whole number, exact: what a programme can write has at most nine decimals.
func times(r programme.Ratio, by int64) string {
	product := new(big.Rat).Mul(big.NewRat(r.Num, r.Den), new(big.Rat).SetInt64(by))
	text := product.FloatString(9)
	return grouped(strings.TrimSuffix(strings.TrimRight(text, "0"), "."))
}

func percent(r programme.Ratio) string { return times(r, 100) + "%" }

func (t *teller) points(n int64) string { return t.count(points, whole(n)) }

// money is an amount in major units of the programme's currency.
func (t *teller) money(m programme.Money) string {
	return t.inCurrency(decimalText(int64(m), t.p.Scale, t.p.Currency.Digits), t.p.Currency.Code)
}

// inCurrency is an amount with its currency.
func (t *teller) inCurrency(amount, code string) string {
	unit := t.unit(code)
	if unit == code {
		return amount + " " + code
	}
	return t.say(amountOf, "amount", amount, "unit", unit)
}

// unit is how people call a currency where they count in it.
func (t *teller) unit(code string) string {
	for _, unit := range units {
		if unit.en == code {
			return unit.in(t.language)
		}
	}
	return code
}

// duration is a span as people say it.
func (t *teller) duration(d programme.Duration) string {
	switch {
	case d.Months >= 24 && d.Months%12 == 0:
		return t.count(years, whole(int64(d.Months/12)))
	case d.Months != 0:
		return t.count(months, whole(int64(d.Months)))
	case d.Days != 0:
		return t.count(days, whole(int64(d.Days)))
	case d.Elapsed%time.Hour == 0:
		return t.count(hours, whole(int64(d.Elapsed/time.Hour)))
	case d.Elapsed%time.Minute == 0:
		return t.count(minutes, whole(int64(d.Elapsed/time.Minute)))
	}
	return d.Elapsed.String() // in conditions only
}

func (t *teller) durations(all []programme.Duration) string {
	texts := make([]string, len(all))
	for i, d := range all {
		texts[i] = t.duration(d)
	}
	return t.list(texts)
}

// day is a date.
func (t *teller) day(year int, month time.Month, day int) string {
	return t.say(date, "year", strconv.Itoa(year), "month", strconv.Itoa(int(month)), "name", month.String(), "day", strconv.Itoa(day))
}

// instant is a date and, unless a day begins then, the time of day, in the programme's zone.
func (t *teller) instant(at time.Time) string {
	local := at.In(t.p.Zone)
	text := t.day(local.Date())
	if beginsDay(at, t.p.Zone) {
		return text
	}
	clock := local.Format("15:04")
	if local.Second() != 0 || local.Nanosecond() != 0 {
		clock = local.Format("15:04:05.999999999")
	}
	return t.say(dateAndTime, "date", text, "time", clock)
}

// beginsDay says that a local day begins at an instant.
func beginsDay(at time.Time, zone *time.Location) bool {
	return programme.Midnight(programme.DayNumber(at, zone), zone).Equal(at)
}

//nolint:gochecknoglobals // never changed
var (
	points      = noun{"{n} point", "{n} points", "{n}分"}
	orders      = noun{"{n} order", "{n} orders", "{n}笔订单"}
	checkIns    = noun{"{n} activity", "{n} activities", "{n}次活动"}
	referrals   = noun{"{n} invitation", "{n} invitations", "{n}次邀请"}
	members     = noun{"{n} member", "{n} members", "{n}位会员"}
	devices     = noun{"{n} device", "{n} devices", "{n}台设备"}
	grants      = noun{"{n} grant", "{n} grants", "{n}笔积分"}
	occasions   = noun{"once", "{n} times", "{n}次"}
	years       = noun{"{n} year", "{n} years", "{n}年"}
	months      = noun{"{n} month", "{n} months", "{n}个月"}
	days        = noun{"{n} day", "{n} days", "{n}天"}
	hours       = noun{"{n} hour", "{n} hours", "{n}小时"}
	minutes     = noun{"{n} minute", "{n} minutes", "{n}分钟"}
	date        = phrase{"{day} {name} {year}", "{year}年{month}月{day}日"}
	dateAndTime = phrase{"{date}, {time}", "{date}{time}"}
	amountOf    = phrase{"{amount} {unit}", "{amount}{unit}"}
	units       = []phrase{{"CNY", "元"}, {"USD", "美元"}, {"EUR", "欧元"}, {"JPY", "日元"}, {"HKD", "港元"}, {"GBP", "英镑"}, {"SGD", "新加坡元"}}
)
