--- What headers mean: names of columns in English, German, French, Spanish, Portuguese (and some Italian and Dutch) by the place
--- of a profile that they stand for, and what a column is called that is a code, a quantity or a moment.
local synonyms = {}

-- Letters with marks as they are without them. The capitals of Latin-1 stand 0x20 before their small letters.
local PLAIN = {
  ["à"] = "a", ["á"] = "a", ["â"] = "a", ["ã"] = "a", ["å"] = "a", ["ä"] = "a", ["ç"] = "c", ["è"] = "e", ["é"] = "e",
  ["ê"] = "e", ["ë"] = "e", ["ì"] = "i", ["í"] = "i", ["î"] = "i", ["ï"] = "i", ["ñ"] = "n", ["ò"] = "o", ["ó"] = "o",
  ["ô"] = "o", ["õ"] = "o", ["ö"] = "o", ["ø"] = "o", ["ù"] = "u", ["ú"] = "u", ["û"] = "u", ["ü"] = "u", ["ý"] = "y",
  ["æ"] = "ae",
}
for code = 0xE0, 0xFE do
  local plain = PLAIN[utf8.char(code)]
  if plain then PLAIN[utf8.char(code - 0x20)] = plain:upper() end
end
for letter, plain in pairs { ["ß"] = "ss", ["ÿ"] = "y", ["œ"] = "oe", ["Œ"] = "OE", ["º"] = "o", ["ª"] = "a", ["°"] = "o",
                             ["№"] = "no", ["\u{A0}"] = " " } do
  PLAIN[letter] = plain
end

--- A text with its letters as they are without accents: "Straße Nº" → "Strasse No". Letters of other scripts stay.
function synonyms.fold(text)
  -- Accents may also follow their letters: U+0300 to U+036F.
  local folded = text:gsub("\xCC[\x80-\xBF]", ""):gsub("\xCD[\x80-\xAF]", "")
  return (folded:gsub("[\xC2-\xF4][\x80-\xBF]+", PLAIN))
end

--- A text without case, accents and punctuation: "Straße / Nr." → "strassenr".
function synonyms.plain(text)
  return (synonyms.fold(text):lower():gsub("[%s%p%c]+", ""))
end

-- Of each place: names that mean it, several words as they are written. Where a name could mean two, it stands at one of them.
local NAMES = {
  AccountNumber = [[account number, account no, account, acct no, account id, konto, kontonummer, konto nr, numéro de compte,
    no de compte, n° compte, compte, número de cuenta, nº de cuenta, cuenta, número da conta, nº da conta, conta, numero
    conto, rekeningnummer]],
  AdditionalInformation = [[additional information, additional info, notes, note, comments, comment, remarks, remark,
    bemerkung, bemerkungen, notiz, notizen, anmerkung, anmerkungen, kommentar, zusatzinformation, hinweis, commentaire,
    commentaires, remarque, remarques, notas, observaciones, comentario, comentarios, nota, observações, observação,
    comentário, comentários, informações adicionais, información adicional, informations complémentaires, opmerking,
    opmerkingen]],
  BusinessName = [[business name, company, company name, organization, organisation, organization name, organisation
    name, employer, firm, firma, firmenname, unternehmen, organisationsname, arbeitgeber, betrieb, société,
    entreprise, raison sociale, nom de l'entreprise, nom de la société, organisme, empresa, nombre de la empresa,
    razón social, compañía, organización, nome da empresa, razão social, companhia, organização, azienda, ragione
    sociale, bedrijf, bedrijfsnaam, account name, name of company, nom entreprise, nombre empresa]],
  BirthDate = [[birth date, birthdate, birthday, date of birth, dob, born, born on, geburtsdatum, geburtstag, geb datum, geb,
    geboren, geboren am, date de naissance, naissance, né le, née le, date naissance, ddn, anniversaire, fecha de nacimiento,
    nacimiento, fecha nacimiento, f nacimiento, cumpleaños, data de nascimento, nascimento, data nascimento, dt nascimento,
    aniversário, data di nascita, geboortedatum]],
  GenderString = [[gender, sex, geschlecht, sexe, genre, sexo, género, gênero, genero, sesso, geslacht, gender string,
    gender identity, sexo biológico, sexo de nacimiento]],
  FirstName = [[first name, firstname, given name, givenname, forename, fname, vorname, rufname, prénom, nombre, nombres,
    nombre de pila, primer nombre, nome próprio, primeiro nome, nome, nome de batismo, nome proprio, voornaam, first, contact
    first name, customer first name]],
  MiddleName = [[middle name, middlename, second name, middle initial, mi, middle, zweiter vorname, mittelname, zweitname,
    deuxième prénom, second prénom, autres prénoms, segundo nombre, segundo nome, nome do meio, secondo nome, tweede voornaam,
    tussenvoegsel]],
  LastName = [[last name, lastname, surname, family name, familyname, lname, nachname, familienname, zuname, nom, nom de
    famille, nom famille, patronyme, apellido, apellidos, primer apellido, apellido paterno, sobrenome, apelido, último nome,
    nome de família, cognome, achternaam, last, contact last name, customer last name]],
  PhoneNumber = [[phone, phone number, phone no, telephone, telephone number, telephone no, tel, tel no, phone 1,
    contact number, contact phone, daytime phone, primary phone, telefon, telefonnummer, telefon nr, tel nr,
    rufnummer, festnetz, festnetznummer, téléphone, numéro de téléphone, no de téléphone, n° de téléphone, tél,
    téléphone fixe, fixe, teléfono, número de teléfono, teléfono fijo, telf, tlf, fijo, telefone, número de telefone,
    telefone fixo, fone, nº de telefone, telefono, numero di telefono, telefoon, telefoonnummer, caller id, msisdn,
    tfno, tfno fijo, tél fixe, tel fixe, tel fijo, phone numbers, festnetz nr]],
  MobilePhoneNumber = [[mobile, mobile phone, mobile number, mobile no, mobile phone number, cell, cell phone,
    cellphone, cell number, handy, handynummer, handy nr, mobil, mobilnummer, mobiltelefon, mobilfunk,
    mobilfunknummer, mobil nr, portable, téléphone portable, téléphone mobile, mobile perso, numéro de portable, tél
    portable, gsm, móvil, teléfono móvil, celular, teléfono celular, número de móvil, tlf móvil, número de celular,
    telemóvel, telemovel, nº de telemóvel, telefone celular, telefone móvel, cellulare, mobiele telefoon, mobiel,
    mobiel nummer, whatsapp, phone mobile, telefon mobil, tel mobil, tél mobile, tel movil, tfno móvil, mobile
    telephone, mobilruf, telefono cellulare]],
  HomePhoneNumber = [[home phone, home phone number, home telephone, home number, private phone, evening phone, telefon
    privat, privattelefon, private telefonnummer, tel privat, téléphone domicile, téléphone personnel, tél domicile, teléfono
    de casa, teléfono particular, teléfono personal, teléfono domicilio, telefone residencial, telefone de casa, telefono
    casa, phone home]],
  BusinessPhoneNumber = [[work phone, work phone number, business phone, business phone number, office phone, office number,
    work telephone, company phone, telefon geschäftlich, telefon geschaeftlich, geschäftstelefon, telefon dienstlich, telefon
    büro, tel geschäftlich, diensttelefon, téléphone professionnel, téléphone bureau, tél pro, téléphone pro, tél bureau,
    teléfono de trabajo, teléfono trabajo, teléfono oficina, teléfono de oficina, teléfono profesional, teléfono de la
    empresa, telefone comercial, telefone do trabalho, telefone trabalho, telefono ufficio, phone work]],
  EmailAddress = [[email, e-mail, email address, e-mail address, mail, email id, mail address, primary email, contact
    email, email 1, e-mail-adresse, email adresse, mailadresse, mail adresse, elektronische post, courriel, adresse
    e-mail, adresse email, adresse mail, adresse électronique, mél, adresse courriel, correo, correo electrónico,
    dirección de correo, dirección de correo electrónico, dirección de email, e-mail de contacto, correio eletrónico,
    correio eletrônico, correio electrónico, endereço de e-mail, endereço de email, indirizzo e-mail, posta
    elettronica, e-mailadres, emailadres, correo e, correos, emails, e-mails]],
  PersonalEmailAddress = [[personal email, personal e-mail, personal email address, private email, home email, e-mail privat,
    private e-mail, private e-mail-adresse, privatmail, courriel personnel, e-mail personnel, email perso, e-mail perso, mail
    perso, correo personal, email personal, correo electrónico personal, e-mail pessoal, correio pessoal]],
  BusinessEmailAddress = [[work email, work e-mail, business email, business e-mail, business email address, company email,
    office email, corporate email, e-mail geschäftlich, geschäftliche e-mail, e-mail dienstlich, dienstliche e-mail,
    firmenmail, courriel professionnel, e-mail professionnel, email pro, e-mail pro, mail pro, correo de trabajo, correo
    profesional, correo corporativo, email de trabajo, correo electrónico de trabajo, correo empresa, e-mail profissional,
    e-mail corporativo, e-mail comercial, e-mail de trabalho]],
}

-- Parts of an address, said of any of the four.
local PARTS = {
  Address1 = [[address, address 1, address line 1, address line, street, street address, street name, street 1, street
    and number, addr, addr1, adresse, anschrift, straße, strasse, str, straße und hausnummer, straße hausnummer,
    straße nr, adresszeile 1, adresse 1, rue, adresse postale, voie, numéro et rue, adresse ligne 1, ligne adresse 1,
    dirección, domicilio, calle, calle y número, dirección 1, dirección postal, línea de dirección 1, endereço,
    morada, rua, logradouro, endereço 1, morada 1, indirizzo, via, adres, straat, straße und nr, straße hausnr, straße
    und hausnr, mailing address line, dirección completa, endereço completo]],
  Address2 = [[address 2, address line 2, street 2, addr2, suite, apt, apartment, unit, flat, adresszeile 2, adresszusatz,
    adresse 2, zusatz, wohnung, complément d'adresse, complément adresse, adresse ligne 2, appartement, dirección 2, piso,
    piso y puerta, apartamento, línea de dirección 2, complemento, endereço 2, morada 2, andar, complemento de endereço]],
  Address3 = [[address 3, address line 3, street 3, addr3, building, building name, floor, adresszeile 3, gebäude, adresse 3,
    bâtiment, bat, dirección 3, edificio, edifício, prédio, endereço 3, morada 3]],
  Address4 = [[address 4, address line 4, street 4, addr4, adresszeile 4, adresse 4, dirección 4, endereço 4, morada 4]],
  City = [[city, town, city name, locality, municipality, stadt, ort, wohnort, gemeinde, ortschaft, ville, commune, localité,
    ciudad, localidad, población, municipio, cidade, localidade, município, città, plaats, woonplaats, suburb]],
  County = [[county, landkreis, kreis, département, departement, comarca, concelho, condado]],
  State = [[state, state code, state name, bundesland, land kanton, kanton, estado, uf, us state, état, distrito,
    state province, state or province, state region, stato]],
  Province = [[province, provincia, província, région, region, provinz, provincie, comunidad autónoma, comunidad,
    province code, province name]],
  Country = [[country, country name, country code, nation, land, staat, länderkürzel, ländercode, land iso, pays, code pays,
    país, código de país, pais, país de residencia, nación, código do país, paese, nazione, landcode, iso country]],
  PostalCode = [[postal code, postalcode, post code, postcode, zip, zip code, zipcode, zip postal code, plz, postleitzahl,
    code postal, cp, código postal, c p, cod postal, cep, código de endereçamento postal, cap, codice postale, pincode,
    eircode]],
}

-- Words before or behind a part ("Billing City", "Ciudad de envío") that say which address it is of.
local ADDRESSES = {
  ShippingAddress = [[shipping, ship to, ship, delivery, lieferung, liefer, lieferadresse, versand, livraison, expédition,
    envío, de envío, entrega, de entrega, de livraison]],
  BillingAddress = [[billing, bill to, bill, invoice, rechnung, rechnungs, rechnungsadresse, facturation, de facturation,
    facture, facturación, de facturación, factura, faturamento, faturação, de faturação, cobrança, de cobrança]],
  MailingAddress = [[mailing, correspondence, postal, post, postanschrift, korrespondenz, correspondance, de correspondance,
    correspondencia, de correspondencia, correspondência, de correspondência, postal mailing]],
}

-- German's other spelling: ä as ae.
local UMLAUTS = { ["ä"] = "ae", ["ö"] = "oe", ["ü"] = "ue", ["Ä"] = "ae", ["Ö"] = "oe", ["Ü"] = "ue" }

-- The names of a list as plain texts, those with umlauts in both spellings.
local function words_of(list)
  local plain = {}
  for name in list:gmatch("[^,]+") do
    local one, other = synonyms.plain(name), synonyms.plain((name:gsub("\xC3[\x80-\xBF]", UMLAUTS)))
    plain[#plain + 1] = one
    if other ~= one then plain[#plain + 1] = other end
  end
  return plain
end

-- Words before or behind a part of an address that say no more than that it is one of the customer's: "Home Street".
local OWN_ADDRESS = words_of [[home, private, privat, business, work, office, residential, residence, main, primary, current,
  default, permanent, geschäftlich, dienstlich, domicile, particular, casa, residencial]]

local target_of

local function learn()
  target_of = {}
  for target, list in pairs(NAMES) do
    for _, name in ipairs(words_of(list)) do target_of[name] = target end
  end
  local ordinary = {}
  for part, list in pairs(PARTS) do
    for _, name in ipairs(words_of(list)) do
      target_of[name] = "Address." .. part
      ordinary[name] = part
    end
  end
  local function learn_parts(address, which)
    for name, part in pairs(ordinary) do
      for _, both in ipairs { which .. name, name .. which } do
        target_of[both] = target_of[both] or address .. "." .. part
      end
    end
  end
  for address, list in pairs(ADDRESSES) do
    for _, which in ipairs(words_of(list)) do learn_parts(address, which) end
  end
  for _, which in ipairs(OWN_ADDRESS) do learn_parts("Address", which) end
  for _, target in ipairs(require("upjob.targets").list) do
    if target ~= "Gender" then
      local plain = synonyms.plain(target)
      target_of[plain] = target_of[plain] or target
    end
  end
end

-- Words that say whose the value is, and nothing about what it is.
local OWNERS = words_of [[customer, client, contact, user, member, person, profile, kunde, kunden, kontakt, mitglied,
  cliente, do cliente, del cliente, du client, contacto, contato, billing, primary, default, main, haupt, principal,
  hauptkontakt]]

-- What is written before the name of a phone number: "Nº de teléfono".
local NUMBER_OF = words_of [[número de, numéro de, numero di, nº de, n° de, no de, número do,
  número, numéro, numero, nº, n°, no, nr]]

local function without(plain, ends, at_start)
  if #plain <= #ends then return nil end
  if at_start then return plain:sub(1, #ends) == ends and plain:sub(#ends + 1) or nil end
  return plain:sub(-#ends) == ends and plain:sub(1, -#ends - 1) or nil
end

-- The place that a text names as a whole, but for whose it is.
local function target_of_text(text)
  local plain = synonyms.plain(text)
  if target_of[plain] then return target_of[plain] end
  for _, owner in ipairs(OWNERS) do
    local found = target_of[without(plain, owner, true) or ""] or target_of[without(plain, owner) or ""]
    if found then return found end
  end
  for _, prefix in ipairs(NUMBER_OF) do
    local found = target_of[without(plain, prefix, true) or ""]
    if found and found:find("PhoneNumber$") then return found end
  end
  return target_of[without(plain, "1") or ""] -- the first of several: "Telefon 1"
end

-- Of "Sobrenome / Apelido" the place that both name; nil when they name two.
local function target_of_each(header)
  local found
  for part in header:gmatch("[^/]+") do
    local target = target_of_text(part)
    if target and found and target ~= found then return nil end
    found = found or target
  end
  return found
end

--- The place of a profile that a header names, spelling, case and accents aside, or nil.
function synonyms.target(header)
  if not target_of then learn() end
  local found = target_of_text(header)
  if found then return found end
  -- "Date of birth (dd/mm/yyyy)"
  local bare = header:gsub("%b()", ""):gsub("%b[]", "")
  return bare ~= header and target_of_text(bare) or bare:find("/", 1, true) and target_of_each(bare) or nil
end

-- Words of headers: those that a name is made of, apart.
local function parts_of(header)
  local text = header:gsub("(%l)(%u)", "%1 %2"):gsub("(%u)(%u%l)", "%1 %2")
  local parts = {}
  for word in text:gmatch("[^%s%p]+") do parts[#parts + 1] = synonyms.plain(word) end
  return parts
end

local function set_of(list)
  local set = {}
  for _, word in ipairs(words_of(list)) do set[word] = true end
  return set
end

local ID = set_of [[id, ids, key, no, nr, num, number, nummer, code, codes, código, cod, codice, uuid, guid, sku, ref,
  reference, referenz, référence, referencia, referência, identifier, identifiant, identificador, identifikator,
  kennung, schlüssel, kennzeichen, clé, clave, chave, numéro, número, matricule, matrícula, ssn, dni, nif, nie, cpf,
  cnpj, rfc, curp, nino, passport, reisepass, pasaporte, iban, bic, vat, ustid, steuernummer, isbn, serial, hash,
  token, debitor, debitorennummer, debitorennr, kreditor, leid, crm, erp]]
-- Words that end in one of these, as German and Dutch join them: Kundennummer, klantnummer.
local ID_ENDS = words_of "nummer, nr, kennung, schlüssel, code"
local CUSTOMER = set_of [[customer, customers, client, kunde, kunden, kundennummer, kundennr, kundenid, cliente,
  client, abonné, contact, kontakt, member, mitglied, mitgliedsnummer, user, person, profile, account, konto,
  kontonummer, klant, klantnummer, contacto, contato, socio, sócio, subscriber, patient, guest, debitor,
  debitorennummer, debitorennr]]
local QUANTITY = set_of [[amount, balance, total, sum, price, cost, revenue, sales, spend, spent, score, points, age, count,
  qty, quantity, visits, orders, latitude, longitude, lat, lon, lng, height, weight, percent, rate, rating, income, salary,
  value, ltv, betrag, saldo, summe, preis, kosten, umsatz, punkte, alter, anzahl, menge, gehalt, einkommen, wert, kontostand,
  montant, solde, somme, prix, coût, chiffre, âge, quantité, nombre, revenu, importe, monto, suma, precio, coste, costo,
  ventas, edad, cantidad, puntos, ingresos, valor, saldo, preço, custo, vendas, idade, quantidade, pontos, renda, receita]]
local MOMENT = set_of [[date, datum, fecha, data, day, tag, jour, día, dia, seit, since, am, on, at, created, updated,
  modified, signup, registered, anmeldung, registrierung, eintritt, alta, inscripción, inscription, cadastro,
  birthday, dob, time, zeit, hora, heure, timestamp, zeitpunkt]]
local FULL_NAME = set_of [[name, full name, fullname, display name, contact name, customer name, vollständiger name, ganzer
  name, vor- und nachname, name vorname, nachname vorname, nom complet, nom et prénom, prénom nom, nom prénom, nombre
  completo, nombre y apellidos, nombre y apellido, apellidos y nombre, nome completo, nome e sobrenome, nome e apelido,
  volledige naam]]
local HOUSE = set_of [[hausnummer, haus nr, hausnr, huisnummer, house number, house no, building number, número da porta,
  nº porta, número de porta, número de casa, número exterior, numéro de rue, numéro de voie, numero civico]]
local FAX = set_of [[fax, telefax, faxnummer, télécopie, fax number]]

local function any_part(header, set)
  for _, word in ipairs(parts_of(header)) do
    if set[word] then return true end
  end
  return false
end

--- True when a header names a code or a number that tells things apart: "Customer Id", "Kundennummer".
function synonyms.is_id(header)
  local parts = parts_of(header)
  for _, word in ipairs(parts) do
    if ID[word] then return true end
    for _, ending in ipairs(ID_ENDS) do
      if #word > #ending and word:sub(-#ending) == ending then return true end
    end
  end
  local plain = table.concat(parts)
  return #plain > 3 and plain:sub(-2) == "id" and header:find("I[Dd]$") ~= nil
end

--- True when it also says that the customer is meant.
function synonyms.is_customer_id(header)
  return synonyms.is_id(header) and any_part(header, CUSTOMER)
end

--- True for a header that names a whole name: "Name", "Full name", "Nombre y apellidos".
function synonyms.is_full_name(header) return FULL_NAME[synonyms.plain(header)] or false end
--- True for a header that names the number of a house, which stands apart from its street.
function synonyms.is_house_number(header) return HOUSE[synonyms.plain(header)] or false end
--- A word of the header names an amount, a moment, or a fax number.
function synonyms.is_quantity(header) return any_part(header, QUANTITY) end
function synonyms.is_moment(header) return any_part(header, MOMENT) end
function synonyms.is_fax(header) return any_part(header, FAX) end

return synonyms
