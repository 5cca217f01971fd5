package rules

// What an app's instances have to agree on, by number. The numbers stand on the control topic.
const (
	// RowFormat numbers how Account.Save writes rows; rows of it and of all before it can be read.
	RowFormat = formatVersion
	// Semantics numbers the meaning of decisions: another number decides the same facts otherwise.
	Semantics = semantics
)
