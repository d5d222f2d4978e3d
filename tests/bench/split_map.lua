-- The mapping of the files that split_generate makes: what many do to their exports.
return mapping.define {
  unique_key = "customer_id",
  mapping.string "CustomerId" : to "Attributes.customer_id" : as "customer_id" : required(),
  mapping.name   "FirstName"  : to "FirstName",
  mapping.name   "LastName"   : to "LastName",
  mapping.email  "Email"      : to "EmailAddress" : trim() : lower(),
  mapping.string "City"       : to "Address.City",
  mapping.string "Country"    : to "Address.Country",
  mapping.string "Tier"       : to "Attributes.tier",
  mapping.number "Balance"    : to "Attributes.balance",
}
