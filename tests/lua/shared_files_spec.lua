-- Patterns of names: which have a name in common.
local shared_files = require "upjob.shared_files"

describe("two patterns of names", function()
  it("have a name in common, or none", function()
    for _, pair in ipairs { { "*.csv", "orders-*.csv", true }, { "*.csv", "*.txt", false }, { "a?c", "abc", true },
                            { "a?c", "ac", false }, { "*a*", "*b*", true }, { "a*", "b*", false }, { "*", "x", true },
                            { "\\*.csv", "a.csv", false }, { "\\*.csv", "*.csv", true }, { "a*b*c", "*x", false },
                            { "[a-m]*.csv", "[n-z]*.csv", false }, { "[ab].csv", "[ab].csv", true }, { "ä*", "?b", true },
                            { "a**", "a", true }, { ("*a"):rep(50), ("*b"):rep(50), false } } do
      assert.equals(pair[3], shared_files.meet(pair[1], pair[2]), pair[1] .. " " .. pair[2])
      assert.equals(pair[3], shared_files.meet(pair[2], pair[1]), pair[2] .. " " .. pair[1])
    end
  end)
end)
