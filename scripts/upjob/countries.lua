--- Countries by what files call them: names in several languages and ISO 3166-1 codes, for the region of phone numbers.
local synonyms = require "upjob.synonyms"

local countries = {}

-- By alpha-2 code: alpha-3 and names, plain (upjob.synonyms).
local NAMES = {
  AR = "arg argentina argentinien argentine", AT = "aut austria osterreich oesterreich autriche",
  AU = "aus australia australien australie", BE = "bel belgium belgien belgique belgica belgie belgio",
  BO = "bol bolivia bolivien bolivie", BR = "bra brazil brasil brasilien bresil brasile",
  CA = "can canada kanada", CH = "che switzerland schweiz suisse suiza suica svizzera zwitserland",
  CL = "chl chile chili", CN = "chn china chine", CO = "col colombia kolumbien colombie",
  CR = "cri costarica", CZ = "cze czechrepublic czechia tschechien republiquetcheque tchequie chequia republicacheca",
  DE = "deu ger germany deutschland allemagne alemania alemanha germania duitsland brd",
  DK = "dnk denmark danemark daenemark dinamarca danimarca denemarken", DO = "dom dominicanrepublic republicadominicana",
  EC = "ecu ecuador equateur equador", ES = "esp spain spanien espagne espana espanha spagna spanje",
  FI = "fin finland finnland finlande finlandia", FR = "fra france frankreich francia franca frankrijk",
  GB = "gbr uk unitedkingdom greatbritain england scotland wales vereinigteskonigreich vereinigteskoenigreich grossbritannien"
    .. " royaumeuni grandebretagne angleterre reinounido granbretana inglaterra regnounito grootbrittannie",
  GR = "grc greece griechenland grece grecia", GT = "gtm guatemala", HK = "hkg hongkong",
  HU = "hun hungary ungarn hongrie hungria", IE = "irl ireland irland irlande irlanda ierland eire",
  IL = "isr israel", IN = "ind india indien inde", IT = "ita italy italien italie italia",
  JP = "jpn japan japon japao giappone", KR = "kor southkorea korea sudkorea suedkorea coreedusud coreadelsur",
  LU = "lux luxembourg luxemburg luxemburgo", MX = "mex mexico mexiko mexique messico",
  NL = "nld netherlands thenetherlands holland niederlande paysbas paisesbajos paisesbaixos paesibassi nederland",
  NO = "nor norway norwegen norvege noruega", NZ = "nzl newzealand neuseeland nouvellezelande nuevazelanda novazelandia",
  PE = "per peru perou", PL = "pol poland polen pologne polonia", PT = "prt portugal portogallo",
  PY = "pry paraguay paraguai", RO = "rou romania rumanien rumaenien roumanie rumania romenia",
  RU = "rus russia russland russie rusia russianfederation", SE = "swe sweden schweden suede suecia svezia zweden",
  SG = "sgp singapore singapur singapour", TR = "tur turkey turkei tuerkei turquie turquia turkiye",
  UA = "ukr ukraine ucrania", US = "usa unitedstates unitedstatesofamerica america vereinigtestaaten etatsunis estadosunidos"
    .. " eeuu eua statiuniti verenigdestaten", UY = "ury uruguay uruguai", VE = "ven venezuela",
  ZA = "zaf southafrica sudafrika suedafrika afriquedusud sudafrica africadosul",
}

local code_of

--- The alpha-2 code of a country that a value names, or nil.
function countries.code(value)
  if not code_of then
    code_of = {}
    for code, names in pairs(NAMES) do
      code_of[code:lower()] = code
      for name in names:gmatch("%S+") do code_of[name] = code end
    end
  end
  return code_of[synonyms.plain(value)]
end

local US_STATES = {}
for code in ([[AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA
  RI SC SD TN TX UT VT VA WA WV WI WY DC PR GU VI AS MP]]):gmatch("%u%u") do US_STATES[code] = true end

--- True for the two letters of a state or territory of the USA.
function countries.is_us_state(value) return US_STATES[value] or false end

return countries
