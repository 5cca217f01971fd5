package programme

import (
	"sort"
	"strings"

	"accrue/schemas"
)

// The codes of ISO 4217 that name money in use, by the decimals of their minor unit.
const (
	noDecimals    = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
	threeDecimals = "BHD IQD JOD KWD LYD OMR TND"
	fourDecimals  = "CLF UYW"
	twoDecimals   = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD " +
		"CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD " +
		"HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR " +
		"MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD " +
		"SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XCD XCG YER " +
		"ZAR ZMW ZWG"
)

// CurrencyOf returns the currency with an ISO 4217 code.
func CurrencyOf(code string) (Currency, bool) {
	if len(code) != 3 {
		return Currency{}, false
	}
	for digits, codes := range currencyCodes() {
		// A code begins at every fourth byte, and holds no space, so a match lies on one.
		if strings.Contains(codes, code) && !strings.Contains(code, " ") {
			return Currency{Code: code, Digits: digits}, true
		}
	}
	return Currency{}, false
}

func currencyCodes() [5]string {
	return [5]string{0: noDecimals, 2: twoDecimals, 3: threeDecimals, 4: fourDecimals}
}

func nearestCurrency(code string) string {
	if _, ok := CurrencyOf(strings.ToUpper(code)); ok {
		return strings.ToUpper(code)
	}
	var all []string
	for _, codes := range currencyCodes() {
		all = append(all, strings.Fields(codes)...)
	}
	sort.Strings(all)
	return schemas.Nearest(code, all)
}
