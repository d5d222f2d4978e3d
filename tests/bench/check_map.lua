-- Ten of the twelve columns of generate.py.
return mapping.define {
  unique_key = "CustomerId",
  mapping.string "CustomerId"   : to "Attributes.customer_id" : required(),
  mapping.name   "FirstName"    : to "FirstName",
  mapping.name   "LastName"     : to "LastName",
  mapping.email  "EmailAddress" : to "EmailAddress",
  mapping.string "Address"      : to "Address.Address1",
  mapping.string "City"         : to "Address.City",
  mapping.string "PostalCode"   : to "Address.PostalCode",
  mapping.string "Country"      : to "Address.Country",
  mapping.string "Tier"         : to "Attributes.tier",
  mapping.number "Balance"      : to "Attributes.balance",
  mapping.skip("PhoneNumber", "Note"),
}
