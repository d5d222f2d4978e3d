/* A way past a lock of libphonenumber's.
 *
 * For each number the library looks up a score of regular expressions that it has compiled before, by their text, in a
 * table that all threads share under one mutex: two threads get hardly more done than one. Here RegExpCache::GetRegExp is
 * defined in front of the library's own, as the dynamic linker allows, and keeps for each thread what the own one returned.
 * That is the same object, which lives as long as the library, and which threads may share: what is matched is the same.
 * Where another version of the library has no such function, this is never called.
 */
#if __has_include(<phonenumbers/regexp_cache.h>)
#include <phonenumbers/regexp_cache.h>

#include <dlfcn.h>

#include <stdexcept>
#include <string>
#include <unordered_map>

namespace
{

using i18n::phonenumbers::RegExp;
using i18n::phonenumbers::RegExpCache;
using GetRegExp = const RegExp &(*)(RegExpCache *, const std::string &); /* a member function as the Itanium ABI calls it */

GetRegExp the_library_s_own()
{
    void *symbol = dlsym(RTLD_NEXT, "_ZN4i18n12phonenumbers11RegExpCache9GetRegExpERKNSt7__cxx1112basic_stringIcSt11char_"
                                    "traitsIcESaIcEEE");
    if (!symbol)
        throw std::logic_error("libphonenumber has no GetRegExp of its own");
    return reinterpret_cast<GetRegExp>(symbol);
}

} // namespace

namespace i18n
{
namespace phonenumbers
{

const RegExp &RegExpCache::GetRegExp(const string &pattern)
{
    static const ::GetRegExp own = the_library_s_own();
    thread_local std::unordered_map<string, const RegExp *> known;
    auto found = known.find(pattern);
    if (found != known.end())
        return *found->second;
    const RegExp &made = own(this, pattern);
    known.emplace(pattern, &made);
    return made;
}

} // namespace phonenumbers
} // namespace i18n
#endif
